#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: Build the agent as one file
version_added: 0.1.0
description:
  - Builds the agent with everything it needs into one file, C(understudy-VERSION-DIGEST.pex). Runs on the controller.
  - The digest is taken of all inputs. When the file of that digest is there nothing is built and no network is needed.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
requirements:
  - pex on the controller
options:
  source:
    description: Folder of the agent, with C(pyproject.toml) and C(src).
    type: path
    required: true
  dest:
    description: Folder the file is put into. Created when missing.
    type: path
    required: true
  constraints:
    description: File that pins every dependency to one version.
    type: path
  platforms:
    description: Platforms the file runs on, as C(pex) names them.
    type: list
    elements: str
    default: [manylinux_2_28_x86_64-cp-3.11.2-cp311]
  pex:
    description: The C(pex) command. Without it the one beside the Python that runs this, else the one on the C(PATH).
    type: path
  keep:
    description: How many older files are kept in O(dest).
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Build the release
  understudy.nvr.release_build:
    source: "{{ playbook_dir }}/../agent"
    dest: "{{ understudy_site.controller_dir }}/releases"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
file:
  description: The file of the release.
  returned: success
  type: str
  sample: /home/integrator/site/releases/understudy-0.1.0-0123456789abcdef.pex
digest:
  description: What identifies the release.
  returned: success
  type: str
  sample: 0123456789abcdef
version:
  description: Version of the agent.
  returned: success
  type: str
  sample: 0.1.0
"""

import contextlib
import fcntl
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_release


def read(source: str) -> dict[str, bytes]:
    """The shipped files below `source` and their contents."""
    return {name: (Path(source) / name).read_bytes() for name in nvr_release.shipped_files(source)}


def pex_command(module: AnsibleModule) -> str:
    """Where `pex` is."""
    if module.params["pex"]:
        return str(module.params["pex"])
    beside = Path(sys.executable).parent / "pex"
    found = str(beside) if beside.exists() else module.get_bin_path("pex")
    if not found:
        raise nvr_release.ReleaseError(f"pex is not installed beside {sys.executable}; pip install -r requirements.txt")
    return str(found)


def build(module: AnsibleModule, contents: dict[str, bytes], target: Path) -> None:
    """Build `contents` into the file `target`; a build that is cut short leaves no file of that name."""
    command = pex_command(module)
    with tempfile.TemporaryDirectory(prefix="understudy-release-") as temporary:
        folder = Path(temporary)
        for name, content in contents.items():
            path = folder / "agent" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        built = folder / "understudy.pex"
        words = [command, str(folder / "agent"), "--include-tools", "--no-emit-warnings", "--output-file", str(built)]
        words += ["--console-script", "understudy", "--python-shebang", "/usr/bin/env python3"]
        for platform in module.params["platforms"]:
            words += ["--platform", platform]
        if module.params["constraints"]:
            words += ["--constraints", module.params["constraints"]]
        code, out, err = module.run_command(words)
        if code != 0:
            raise nvr_release.ReleaseError(f"pex failed: {(err or out).strip()[-2000:]}")
        part = target.with_suffix(".part")
        shutil.copyfile(built, part)
        part.rename(target)


def remove_old(folder: Path, keep: int) -> None:
    """Leave the `keep` newest releases in `folder`."""
    for path in sorted(folder.glob("*.pex"), key=lambda found: found.stat().st_mtime, reverse=True)[keep:]:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def run(module: AnsibleModule) -> dict[str, Any]:
    """Build when needed; the module's result."""
    params = module.params
    contents = read(params["source"])
    constraints = Path(params["constraints"]).read_bytes() if params["constraints"] else b""
    dest = Path(params["dest"])
    digest = nvr_release.inputs_digest(contents, constraints, params["platforms"])
    version = nvr_release.version_of(contents["pyproject.toml"].decode())
    target = dest / nvr_release.file_name(version, digest)
    result = {"file": str(target), "digest": digest, "version": version, "changed": not target.exists()}
    result["diff"] = {"before": "", "after": f"{target.name}\n" if result["changed"] else ""}
    if result["changed"] and not module.check_mode:
        dest.mkdir(parents=True, exist_ok=True)
        # two runs at once on one controller: the second waits and finds the file
        with (dest / ".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                build(module, contents, target)
                remove_old(dest, params["keep"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "constraints": {"type": "path"},
            "platforms": {
                "type": "list",
                "elements": "str",
                "default": ["manylinux_2_28_x86_64-cp-3.11.2-cp311"],
            },
            "pex": {"type": "path"},
            "keep": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except (nvr_release.ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_set
short_description: Install a release of the agent and make it the current one
version_added: 0.1.0
description:
  - Installs a release built by M(understudy.nvr.release_build) as a virtual environment below O(base), beside the ones
    that are there, and switches C(current) to it in one step. The host needs no network and no package index.
  - The file is transferred only when the host does not have the release.
  - The processes that run are not touched; restart them with M(understudy.nvr.unit_set).
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
attributes:
  action:
    description: Has an action plugin, so that parts of it run on the controller.
    support: full
options:
  digest:
    description: The release to run. One that is installed already needs no O(source); so a release is rolled back.
    type: str
    required: true
  source:
    description: The file of the release on the controller.
    type: path
  file:
    description: The file of the release on the host. Set by the action plugin.
    type: path
  base:
    description: Folder of the releases.
    type: path
    default: /opt/understudy
  command:
    description: Link to the command of the current release.
    type: path
    default: /usr/local/bin/understudy
  python:
    description: The Python that runs the release.
    type: path
    default: /usr/bin/python3
  keep:
    description: How many releases are kept, the current one included.
    type: int
    default: 3
seealso:
  - module: understudy.nvr.release_build
  - module: understudy.nvr.release_info
"""

EXAMPLES = r"""
- name: Install the release
  understudy.nvr.release_set:
    digest: 0123456789abcdef
    source: /home/integrator/site/releases/understudy-0.1.0-0123456789abcdef.pex

- name: Go back to the release before
  understudy.nvr.release_set:
    digest: fedcba9876543210
"""

RETURN = r"""
digest:
  description: The release that is current now.
  returned: success
  type: str
  sample: 0123456789abcdef
previous:
  description: The release that was current before, if any.
  returned: success
  type: str
  sample: fedcba9876543210
needs_file:
  description: Whether the file of the release has to be transferred to install it.
  returned: success
  type: bool
  sample: false
"""

import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_files, nvr_release


def install(module: AnsibleModule, folder: Path) -> None:
    """Turn the transferred file into a virtual environment at `folder`; the marker comes last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = module.params["python"]
    # the file's own cache stays beside it: the home of root may be full, read-only or absent
    cache = module.params["file"] + ".root"
    environment = {"PEX_TOOLS": "1", "PEX_ROOT": cache, "HOME": cache}
    code, out, err = module.run_command(
        [python, module.params["file"], "venv", "--compile", str(folder)], environ_update=environment
    )
    shutil.rmtree(cache, ignore_errors=True)
    if code != 0:
        raise nvr_release.ReleaseError(f"{python} cannot install the release: {(err or out).strip()[-2000:]}")
    words = [str(folder / "bin" / "python"), "-I", "-c", "import understudy, aiohttp, msgspec"]
    code, out, err = module.run_command(words)
    if code != 0:
        raise nvr_release.ReleaseError(f"the installed release does not run: {(err or out).strip()[-2000:]}")
    folder.chmod(0o755)
    with (folder / nvr_release.MARKER).open("w", encoding="ascii") as writer:
        writer.write(module.params["digest"] + "\n")
        writer.flush()
        os.fsync(writer.fileno())


def carry_out(module: AnsibleModule, steps: nvr_release.Steps, target: str) -> None:
    """Install, switch, link, clean up, in that order."""
    base, digest = Path(module.params["base"]), module.params["digest"]
    releases = base / "releases"
    if steps.install:
        install(module, releases / digest)
    if steps.switch:
        nvr_files.point(str(base / "current"), f"releases/{digest}")
    if steps.link:
        nvr_files.point(module.params["command"], target)
    for name in steps.remove:
        shutil.rmtree(releases / name, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "digest": {"type": "str", "required": True},
            "source": {"type": "path"},
            "file": {"type": "path"},
            "base": {"type": "path", "default": "/opt/understudy"},
            "command": {"type": "path", "default": "/usr/local/bin/understudy"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "keep": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    params = module.params
    target = str(Path(params["base"]) / "current" / "bin" / "understudy")
    installed = nvr_release.load(params["base"], params["command"])
    steps = nvr_release.plan(installed, params["digest"], params["keep"], target)
    result = {
        "changed": steps.needed,
        "digest": params["digest"],
        "previous": installed.current,
        "needs_file": steps.install,
        "diff": {
            "before_header": "current release",
            "after_header": "current release",
            "before": f"{installed.current}\n" if installed.current else "",
            "after": f"{params['digest']}\n",
        },
    }
    if steps.needed and not module.check_mode and (params["file"] or not steps.install):
        try:
            carry_out(module, steps, target)
        except (nvr_release.ReleaseError, OSError) as error:
            module.fail_json(msg=str(error), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_set
short_description: Judge what was measured and write it as a signed report
version_added: 0.1.0
description:
  - Writes a report as HTML for people and as JSON for machines, each with a signature of the site's authority beside
    it. Runs on the controller, where the authority's key is.
  - Both files hold the same checks. The report passes when all of them do.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  kind:
    description: Of what the report is.
    type: str
    choices: [acceptance, drill]
    required: true
  facts:
    description: What was measured, as C(playbooks/final_checks.yml) and C(playbooks/drill.yml) gather it.
    type: dict
    required: true
  directory:
    description: Folder of the reports.
    type: path
    required: true
  name:
    description: Name of the files, without suffix.
    type: str
    required: true
  pki:
    description: Folder with the authority's certificate and key.
    type: path
    required: true
seealso:
  - module: understudy.nvr.report_info
"""

EXAMPLES = r"""
- name: Write the report
  understudy.nvr.report_set:
    kind: drill
    facts: "{{ drill_facts }}"
    directory: /home/integrator/site/reports
    name: drill-20261123T100000Z
    pki: /home/integrator/site/pki
  delegate_to: localhost
"""

RETURN = r"""
verdict:
  description: Whether all checks pass.
  returned: success
  type: str
  sample: pass
problems:
  description: Problems of the checks that fail, each with its rule.
  returned: success
  type: list
  elements: str
  sample: []
files:
  description: The files of the report; their signatures have the same names with C(.sig).
  returned: success
  type: list
  elements: str
  sample: [/home/integrator/site/reports/drill-20261123T100000Z.html]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_acceptance, nvr_certificates, nvr_report


def judge(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The report's document."""
    return nvr_acceptance.acceptance(facts) if kind == "acceptance" else nvr_acceptance.drill(facts)


def write(directory: Path, files: dict[str, bytes], key: bytes) -> None:
    """Write the files, each behind its signature: a file that is there is signed."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        nvr_certificates.write(directory / f"{name}.sig", nvr_report.sign(key, content), 0o644)
        nvr_certificates.write(directory / name, content, 0o644)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": ["acceptance", "drill"], "required": True},
            "facts": {"type": "dict", "required": True},
            "directory": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "pki": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if nvr_report.CRYPTOGRAPHY_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=nvr_report.CRYPTOGRAPHY_ERROR)
    params = module.params
    directory, name = Path(params["directory"]), params["name"]
    try:
        report = judge(params["kind"], params["facts"])
    except (KeyError, TypeError) as error:
        module.fail_json(msg=f"facts: {error} is missing or has another form")
    files = {f"{name}.json": nvr_report.as_json(report), f"{name}.html": nvr_report.as_html(report)}
    changed = [file for file, content in files.items() if nvr_certificates.read(directory / file) != content]
    if changed and not module.check_mode:
        try:
            write(directory, files, (Path(params["pki"]) / "ca.key").read_bytes())
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"the report cannot be written or signed: {error}")
    module.exit_json(
        changed=bool(changed),
        verdict=report["verdict"],
        problems=[f"{row['rule']}: {problem}" for row in report["checks"] for problem in row["problems"]],
        files=[str(directory / file) for file in files],
        diff={"before": "", "after": "".join(f"{directory / file}\n" for file in changed)},
    )


if __name__ == "__main__":
    main()

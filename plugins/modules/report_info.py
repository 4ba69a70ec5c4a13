#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_info
short_description: Verify the signature of a report and read its verdict
version_added: 0.1.0
description:
  - Says whether a report, HTML or JSON, is as the site's authority signed it. Needs no key, only the certificate.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  file:
    description: The report; its signature is beside it with C(.sig).
    type: path
    required: true
  authority:
    description: The certificate of the site's authority.
    type: path
    required: true
seealso:
  - module: understudy.nvr.report_set
"""

EXAMPLES = r"""
- name: Verify a report
  understudy.nvr.report_info:
    file: /home/auditor/drill-20261123T100000Z.json
    authority: /home/auditor/ca.crt
  register: report
  failed_when: not report.valid
"""

RETURN = r"""
valid:
  description: Whether the authority signed exactly this file.
  returned: success
  type: bool
  sample: true
report:
  description: The document of a JSON report that is valid, otherwise empty.
  returned: success
  type: dict
  sample: {kind: drill, site: depot, verdict: pass}
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_report


def main() -> None:
    module = AnsibleModule(
        argument_spec={"file": {"type": "path", "required": True}, "authority": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    if nvr_report.CRYPTOGRAPHY_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=nvr_report.CRYPTOGRAPHY_ERROR)
    file = module.params["file"]
    try:
        content, signature = Path(file).read_bytes(), Path(f"{file}.sig").read_bytes()
        valid = nvr_report.verify(Path(module.params["authority"]).read_bytes(), content, signature)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"the report cannot be verified: {error}")
    report = json.loads(content) if valid and file.endswith(".json") else {}
    module.exit_json(changed=False, valid=valid, report=report)


if __name__ == "__main__":
    main()

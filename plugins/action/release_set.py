# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer a release only to a host that does not have it: ask first, then send the one file and install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

MODULE = "understudy.nvr.release_set"


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {name: value for name, value in self._task.args.items() if name not in ("source", "file")}
        source = self._task.args.get("source")
        asked: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if asked.get("failed") or not asked.get("needs_file") or self._task.check_mode:
            return asked
        if not source or not Path(source).is_file():
            raise AnsibleActionFail(
                f"source: {source!r} is no file, and the host does not have release {arguments['digest']}"
            )
        try:
            return self._send_and_install(source, arguments, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _send_and_install(self, source: str, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        remote_tmp = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = self._connection._shell.join_path(remote_tmp, Path(source).name)
        self._transfer_file(source, remote)
        result: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**arguments, "file": remote}, task_vars=task_vars
        )
        return result

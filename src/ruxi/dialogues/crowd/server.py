"""A Label Studio server by its REST API: make projects, send media and tasks, fetch results.

Tokens of both kinds are understood: a personal access token (a JWT that is exchanged for short-lived access) and the
older ones. Tested against Label Studio 1.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from ruxi.dialogues.crowd.export import Project
from ruxi.dialogues.crowd.label_studio import as_task
from ruxi.endpoint import check_url
from ruxi.errors import DataError
from ruxi.media import MediaFolder

_EMPTY = "<View></View>"
_BATCH = 200


class LabelStudio:
    """Talks with a server.

    Args:
        url: Its address, for example `http://localhost:8080`.
        token: An access token of the account's settings page.

    Raises:
        UsageError: The URL cannot be used, or the token would travel unencrypted.
        DataError: The server does not answer or refuses the token.
    """

    def __init__(self, url: str, token: str) -> None:
        check_url(url, token)
        self._url = url.rstrip("/")
        self._client = httpx.Client(base_url=self._url, timeout=120.0, follow_redirects=False)
        if token.count(".") == 2:
            access = self._call("POST", "/api/token/refresh", json={"refresh": token})["access"]
            self._client.headers["Authorization"] = f"Bearer {access}"
        else:
            self._client.headers["Authorization"] = f"Token {token}"
        self._call("GET", "/api/current-user/whoami")

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def make_project(self, project: Project, title: str, media: MediaFolder, annotators: int) -> int:
        """Make a project with media and tasks.

        Args:
            project: Layout and tasks.
            title: What people see.
            media: Where the tasks' media are.
            annotators: How many people shall answer each task.

        Returns:
            The project's number.

        Raises:
            DataError: The server refuses something, or a medium is missing.
        """
        made = self._call(
            "POST",
            "/api/projects/",
            json={"title": title[:50], "label_config": _EMPTY, "maximum_annotations": annotators},
        )
        number = int(made["id"])
        # Files are taken only while the layout has a single field: so media first, then the layout, then the tasks.
        urls = self._upload(number, {m for task in project.tasks for m in (*task.images, task.audio) if m}, media)
        self._call("PATCH", f"/api/projects/{number}/", json={"label_config": project.layout})
        tasks = [as_task(task, urls) for task in project.tasks]
        for start in range(0, len(tasks), _BATCH):
            self._call("POST", f"/api/projects/{number}/import", json=tasks[start : start + _BATCH])
        return number

    def results(self, project: int) -> list[Any]:
        """All tasks of a project with their annotations.

        Raises:
            DataError: There is no such project.
        """
        found = self._call(
            "GET", f"/api/projects/{project}/export", params={"exportType": "JSON", "download_all_tasks": "true"}
        )
        return found if isinstance(found, list) else []

    def people(self) -> dict[str, str]:
        """The address of each account by its number."""
        found = self._call("GET", "/api/users/")
        return {str(person["id"]): str(person["email"]) for person in found}

    def _upload(self, project: int, wanted: Iterable[str], media: MediaFolder) -> dict[str, str]:
        urls = {}
        for digest in sorted(wanted):
            if digest not in media:
                continue  # `as_task` names the task that needs it.
            path = media.path(digest)
            sent = self._call(
                "POST",
                f"/api/projects/{project}/import",
                params={"commit_to_project": "false"},
                files={path.name: (path.name, media.read(digest), "application/octet-stream")},
            )
            kept = self._call("GET", f"/api/import/file-upload/{sent['file_upload_ids'][0]}")
            urls[digest] = f"/data/{kept['file']}"
        return urls

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise DataError(
                f"the server does not answer ({str(error) or type(error).__name__})",
                where=self._url,
                remedy="Check that it runs and that the address is right.",
            ) from None
        if response.status_code in (401, 403):
            raise DataError(
                "the token is refused", where=self._url, remedy="Copy it again from the account's settings."
            )
        if response.status_code >= 300:
            raise DataError(
                f"{method} {path} gives {response.status_code}: {response.text[:300]!r}",
                where=self._url,
                remedy="Check the project's number and the server's version (tested with 1.23).",
            )
        return response.json()

"""What the pages of the history are answered with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from glacier.errors import GlacierError
from glacier.history.runs import RecordedRun
from glacier.history.store import History, Wanted
from glacier.report.page import page
from glacier.report.page.content import PageData
from glacier.report.page.listing import listing, listing_data
from glacier.report.page.recorded import recorded_data

_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""What a browser of this machine calls it. Another name is a page of somebody else that was led here."""
_MOST_RUNS = 500


def app(home: Path) -> Starlette:
    """Gives the application that shows a history. It only reads.

    Args:
        home: the folder `.glacier`.
    """

    def runs(request: Request) -> Response:
        del request
        return HTMLResponse(listing(_listed(home)))

    def runs_now(request: Request) -> Response:
        del request
        return JSONResponse(_listed(home))

    def one(request: Request) -> Response:
        return _of_run(home, request, lambda history, run: HTMLResponse(page(_data(history, run))))

    def one_now(request: Request) -> Response:
        return _of_run(home, request, lambda history, run: JSONResponse(_data(history, run)))

    routes = [
        Route("/", runs),
        Route("/runs.json", runs_now),
        Route("/runs/{name}", one),
        Route("/runs/{name}/now.json", one_now),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)
    return Starlette(routes=routes, middleware=[guard])


def _listed(home: Path) -> dict[str, object]:
    with History(home) as history:
        return listing_data(history.runs(Wanted(most=_MOST_RUNS)), home)


def _data(history: History, run: RecordedRun) -> PageData:
    return recorded_data(history, run, live=f"/runs/{run.run_id}/now.json")


def _of_run(home: Path, request: Request, answer: Callable[[History, RecordedRun], Response]) -> Response:
    try:
        with History(home) as history:
            return answer(history, history.run(request.path_params["name"]))
    except GlacierError as error:
        return PlainTextResponse(str(error), status_code=404)

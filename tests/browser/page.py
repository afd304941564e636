"""The real ComfyUI page in Chromium, as a person would use it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.host import Host, Refused
from playwright.sync_api import Browser

# The page ends its start by showing a first workflow; one opened before that would be replaced by it.
STARTED = "() => window.app?.extensionManager?.spinner === false && window.app.graph?._nodes.length > 0"
OPEN = "([workflow, name]) => window.app.loadGraphData(workflow, true, true, name)"
CLEAR = "() => window.app.graph.clear()"
NOTHING_DRAWN_BY_VUE = "() => !document.querySelector('[data-node-id]')"
DRAWN_BY_VUE = "() => document.querySelectorAll('[data-node-id]').length >= window.app.graph._nodes.length"
MISSING = """() => {
  const graphs = [window.app.graph, ...window.app.graph.subgraphs.values()];
  const types = graphs.flatMap(graph => graph.nodes.map(node => node.type));
  return types.filter(type => !(type in window.LiteGraph.registered_node_types));
}"""
# As text, for the page too sends it as text, which drops what is undefined.
TO_API_PROMPT = "async () => JSON.stringify((await window.app.graphToPrompt()).output)"
WATCH_RUN = """() => {
  window.testRunEnded = false;
  for (const event of ['execution_success', 'execution_error', 'execution_interrupted'])
    window.app.api.addEventListener(event, () => { window.testRunEnded = true; }, {once: true});
}"""
RUN_ENDED = "() => window.testRunEnded"
# Classic nodes have their title above their place, and all of it in boundingRect; of Vue nodes only the page knows.
BOXES = """vue => window.app.graph.nodes.map(node => {
  const drawn = vue && document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
  const [x, y, width, height] = drawn ? [drawn.x, drawn.y, drawn.width, drawn.height] : [...node.boundingRect];
  return {name: `${node.id} ${node.title}`, x, y, width, height};
})"""
WIRES_BEHIND = """() => {
  const behind = [];
  for (const link of window.app.graph.links.values()) {
    const from = window.app.graph.getNodeById(link.origin_id), to = window.app.graph.getNodeById(link.target_id);
    const start = from.pos[0] + from.size[0], end = to.pos[0];
    const top = Math.min(from.pos[1], to.pos[1]), bottom = Math.max(from.pos[1], to.pos[1]);
    for (const node of window.app.graph.nodes)
      if (node.pos[0] > start && node.pos[0] + node.size[0] < end && node.pos[1] <= bottom + 100
          && node.pos[1] + node.size[1] >= top) behind.push(`${from.title} to ${to.title} behind ${node.title}`);
  }
  return behind;
}"""
SLOT_COLORS_OF_VUE = """type => {
  const style = getComputedStyle(document.documentElement);
  const node = window.app.graph.nodes.find(found => found.type === type);
  const color = slot => style.getPropertyValue(`--color-datatype-${slot.type}`).trim();
  return Object.fromEntries([...node.inputs, ...node.outputs].map(slot => [slot.name, color(slot)]));
}"""
SLOT_COLORS = """type => {
  const node = window.app.graph.nodes.find(found => found.type === type);
  return Object.fromEntries([...node.inputs, ...node.outputs].map(slot => [slot.name, slot.color_on]));
}"""
FIT_VIEW = "() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')"
# Older pages name the box around the button, newer ones the button itself.
RUN_BUTTON = 'button[data-testid="queue-button"], [data-testid="queue-button"] button'
APP_RUN_BUTTON = '[data-testid="linear-run-button"] button:has-text("Run"):visible'
SECONDS = 60.0
MOTION_SECONDS = 1.0


class ComfyPage:
    """One open page; close it when done.

    Args:
        browser: A running Chromium.
        host: The server to open.
        vue_nodes: Whether nodes are drawn by Vue ("Nodes 2.0") or on the classic canvas.
        settings: Further settings of the page by id, say ``{"Comfy.Locale": "fr"}``.
    """

    def __init__(
        self, browser: Browser, host: Host, *, vue_nodes: bool = False, settings: Mapping[str, Any] | None = None
    ) -> None:
        self._host = host
        self._opened = 0
        self._vue_nodes = vue_nodes
        # So large that a whole workflow in view is near enough for the page to draw its texts.
        self._context = browser.new_context(viewport={"width": 2200, "height": 1240})
        self._context.set_default_timeout(SECONDS * 1000)
        quiet = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False, "Comfy.Locale": "en"}
        drawing = {"Comfy.VueNodes.Enabled": vue_nodes, "Comfy.VueNodes.AutoScaleLayout": False}
        self._context.request.post(f"{host.url}/api/settings", data=quiet | drawing | dict(settings or {}))
        self._context.add_init_script("localStorage.setItem('vueNodesBannerDismissed', 'true')")
        self.page = self._context.new_page()
        self.page.goto(host.url, wait_until="domcontentloaded")
        self.page.wait_for_function(STARTED)

    def close(self) -> None:
        self._context.close()

    def open_workflow(self, workflow: Mapping[str, Any]) -> None:
        """Opens a workflow in the UI format in place of what is open, and waits until its nodes are drawn."""
        self.page.evaluate(CLEAR)
        if self._vue_nodes:
            self.page.wait_for_function(NOTHING_DRAWN_BY_VUE)
        # The page would show what nodes of the same ids gave in another workflow of the same name.
        self._opened += 1
        self.page.evaluate(OPEN, [workflow, f"test {self._opened}"])
        if self._vue_nodes:
            self.page.wait_for_function(DRAWN_BY_VUE)

    def missing_nodes(self) -> list[str]:
        """The types of the open workflow's nodes, inside subgraphs too, that no pack defines."""
        return self.page.evaluate(MISSING)

    def overlapping_nodes(self) -> list[str]:
        """Pairs of nodes of the open workflow that lie on each other once it has come to rest."""
        self.page.wait_for_timeout(MOTION_SECONDS * 1000)
        boxes = self.page.evaluate(BOXES, self._vue_nodes)
        return [
            f"{first['name']} and {second['name']}"
            for first, second in itertools.combinations(boxes, 2)
            if first["x"] < second["x"] + second["width"]
            and second["x"] < first["x"] + first["width"]
            and first["y"] < second["y"] + second["height"]
            and second["y"] < first["y"] + first["height"]
        ]

    def wires_behind_nodes(self) -> list[str]:
        """Wires of the open workflow that pass a node on their way."""
        return self.page.evaluate(WIRES_BEHIND)

    def slot_colors(self, node_type: str) -> dict[str, str]:
        """The colors of a node's sockets, by name."""
        return self.page.evaluate(SLOT_COLORS_OF_VUE if self._vue_nodes else SLOT_COLORS, node_type)

    def to_api_prompt(self) -> dict[str, Any]:
        """The open workflow as the page would send it to the server."""
        return json.loads(self.page.evaluate(TO_API_PROMPT))

    def shows_an_app(self) -> bool:
        """Whether the open workflow is shown as an app, which older pages cannot; skips the tour that comes first."""
        self.page.wait_for_timeout(2 * MOTION_SECONDS * 1000)
        tour = self.page.get_by_role("button", name="Skip")
        if tour.count():
            tour.first.click()
        return self.page.locator(APP_RUN_BUTTON).count() > 0

    def press_run(self, seconds: float = 300.0, button: str = RUN_BUTTON) -> dict[str, Any]:
        """Presses Run, waits until the prompt has ended and its outputs are shown, and returns its history entry.

        Raises:
            Refused: The server refused the prompt.
        """
        self.page.evaluate(WATCH_RUN)
        with self.page.expect_response(lambda response: response.url.endswith("/api/prompt")) as response:
            self.page.locator(button).first.click()
        answer = response.value.json()
        if "prompt_id" not in answer or answer["node_errors"]:
            raise Refused(answer)
        entry = self._host.wait(answer["prompt_id"], seconds)
        self.page.wait_for_function(RUN_ENDED)
        return entry

    def screenshot(self, path: Path) -> None:
        """Saves a picture of the page with the whole workflow in view."""
        self.page.evaluate(FIT_VIEW)
        self.page.wait_for_timeout(MOTION_SECONDS * 1000)
        self.page.screenshot(path=path)

import { app } from "../../scripts/app.js";

const COLORS = {
  ARTNET_MODEL: "#d9a441",
  ARTNET_FEATURES: "#c77dba",
  ARTNET_REGION: "#6fb08a",
  ARTNET_STYLE: "#e0796b",
};
const TEXT = "artnet_text";

// Values are saved by position. Those of version 0.1.0 stood in another order, and there were fewer of them or one of
// another type.
const OLD_VALUES = {
  ArtNet_Stylize: {
    isOld: (values) => values.length < 6,
    renew: ([strength, detail, patchSize, steady, styleSize]) =>
      [detail, strength, 0, styleSize ?? 0, "automatic", 0, steady ?? false, patchSize],
  },
  ArtNet_S2Transfer: {
    isOld: (values) => typeof values[2] === "number",
    renew: ([strength, detail, patchSize, steady]) => [detail, strength, steady ?? false, patchSize],
  },
};

function renewValues(node) {
  const old = OLD_VALUES[node.type];
  const values = node.widgets_values;
  if (old && Array.isArray(values) && old.isOld(values)) node.widgets_values = old.renew(values);
}

function colorSlots(node) {
  for (const slot of [...(node.inputs ?? []), ...(node.outputs ?? [])]) {
    const color = COLORS[slot.type];
    if (color) slot.color_on = slot.color_off = color;
  }
}

// Vue nodes read a socket's color from a variable, which the page takes off the element itself for types it does not know.
function colorSlotsOfVueNodes() {
  const sheet = new CSSStyleSheet();
  const variables = Object.entries(COLORS).map(([type, color]) => `--color-datatype-${type}: ${color};`);
  sheet.replaceSync(`:root { ${variables.join(" ")} }`);
  document.adoptedStyleSheets.push(sheet);
}

function showText(node, text) {
  let widget = node.widgets?.find(({ name }) => name === TEXT);
  if (!widget) {
    if (!text) return;
    const element = document.createElement("div");
    element.style.cssText =
      "box-sizing: border-box; padding: 4px 8px; overflow-y: auto; white-space: pre-wrap; overflow-wrap: anywhere; " +
      "font-size: 12px; line-height: 1.4; color: var(--input-text); background: var(--comfy-input-bg); border-radius: 6px;";
    element.className = "artnet-text";
    widget = node.addDOMWidget(TEXT, TEXT, element, { serialize: false, getMinHeight: () => 52 });
    widget.serialize = false;
  }
  widget.element.textContent = text;
  widget.element.style.display = text ? "" : "none"; // Vue nodes keep drawing a hidden widget's element
  const hidden = !text;
  if (widget.hidden !== hidden) {
    widget.hidden = hidden;
    if (widget.options) widget.options.hidden = hidden;
  }
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  app.graph.setDirtyCanvas(true, true);
}

app.registerExtension({
  name: "artnet.nodes",
  setup() {
    colorSlotsOfVueNodes();
  },
  beforeConfigureGraph(graph) {
    const subgraphs = graph.definitions?.subgraphs ?? [];
    for (const { nodes } of [graph, ...subgraphs]) nodes?.forEach(renewValues);
  },
  loadedGraphNode(node) {
    colorSlots(node);
  },
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("ArtNet_")) return;
    colorSlots(node);
    const before = node.onExecuted;
    node.onExecuted = function (output) {
      before?.call(this, output);
      showText(this, (output?.text ?? []).join("\n"));
      for (const detail of output?.artnet_warning ?? [])
        app.extensionManager.toast.add({ severity: "warn", summary: this.title, detail, life: 10000 });
    };
  },
});

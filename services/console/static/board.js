// Custom elements that draw the HTML table they wrap: the table is the data. htmx morphs the table when the board changes,
// and each element draws again, moving what it has drawn before. Without this file the tables are there all the same.

const SVG = "http://www.w3.org/2000/svg";
const svg = (name, attributes = {}) => set(document.createElementNS(SVG, name), attributes);
const number = cell => Number(cell.textContent.replace(/\D/g, ""));

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// One child of `parent` for each item: those that are there are updated in place (so focus and transitions live on).
function join(parent, items, key, make, update) {
  const before = new Map([...parent.children].map(child => [child.dataset.key, child]));
  for (const item of items) {
    const child = before.get(key(item)) ?? parent.appendChild(make(item));
    before.delete(key(item));
    child.dataset.key = key(item);
    update(child, item);
  }
  for (const child of before.values()) child.remove();
}

class Drawing extends HTMLElement {
  connectedCallback() {
    this.querySelector("details")?.removeAttribute("open");
    const soon = () => { this.due ??= requestAnimationFrame(() => { this.due = undefined; this.redraw(); }); };
    this.changes = new MutationObserver(soon);
    this.changes.observe(this, { subtree: true, childList: true, characterData: true });
    this.size = new ResizeObserver(soon);
    this.size.observe(this);
  }
  disconnectedCallback() {
    this.changes.disconnect();
    this.size.disconnect();
  }
  redraw() {
    this.draw();
    this.changes.takeRecords(); // what we drew is no news
  }
}

// A stacked bar at the end of each row, all to the same scale.
customElements.define("row-bars", class extends Drawing {
  draw() {
    const rows = [...this.querySelectorAll("tbody tr")].map(row => ({ row, parts: [...row.querySelectorAll(".part")].map(number) }));
    const sum = parts => parts.reduce((whole, part) => whole + part, 0);
    const widest = Math.max(1, ...rows.map(({ parts }) => sum(parts)));
    for (const { row, parts } of rows) {
      const cell = row.querySelector(".bar");
      const chart = cell.firstElementChild ?? cell.appendChild(svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none" }));
      let x = 0;
      join(chart, parts.entries(), ([index]) => String(index), ([index]) => svg("rect", { class: `s${index}`, height: 1 }), (bar, [, part]) => {
        set(bar, { x, width: part * 100 / widest });
        x += part * 100 / widest;
      });
    }
  }
});

// The flow matrix as ribbons from the agencies on the left to those on the right.
customElements.define("flow-sankey", class extends Drawing {
  read(most) {
    const rows = [...this.querySelectorAll("tbody tr")];
    const heads = rows.map(row => row.querySelector("th"));
    const name = index => index < most ? heads[index].textContent : "All others";
    const colour = index => index < most ? heads[index].dataset.colour : "other";
    const nodes = new Map(), links = new Map();
    const place = (side, total, index) => {
      const link = total.querySelector("a"), id = `${side} ${name(index)}`;
      if (number(link)) nodes.set(id, { id, side, name: name(index), colour: colour(index), href: index < most ? link.href : "/hand-offs" });
    };
    rows.forEach((row, index) => place("from", row.querySelector(".all"), index));
    this.querySelectorAll("tfoot td:not(.all)").forEach((total, index) => place("to", total, index));
    rows.forEach((row, from) => [...row.cells].slice(1, -1).forEach((cell, to) => {
      if (!number(cell)) return;
      const source = `from ${name(from)}`, target = `to ${name(to)}`, id = `${source} ${target}`;
      if (!links.has(id)) links.set(id, { id, source, target, value: 0, colour: colour(from), href: cell.querySelector("a").href });
      links.get(id).value += number(cell);
    }));
    return { nodes: [...nodes.values()], links: [...links.values()] };
  }

  draw() {
    const plot = this.querySelector(".plot"), { clientWidth: width, clientHeight: height } = plot;
    const data = this.read(width > 480 ? 12 : 7);
    if (!width || !data.links.length) return;
    const longest = Math.max(...data.nodes.map(node => node.name.length + 6)), margin = width > 480 ? Math.min(longest * 6.4, width / 3) : 1;
    const graph = d3.sankey().nodeId(node => node.id).nodeAlign(node => node.side === "from" ? 0 : 1).nodeSort(null).nodeWidth(8)
      .nodePadding(Math.min(14, height / data.nodes.length)).extent([[margin, 26], [width - margin, height - 4]])(data);
    if (!this.chart?.isConnected) this.frame(plot);
    set(this.chart, { viewBox: `0 0 ${width} ${height}` });
    set(this.chart.querySelector(".to"), { x: width - margin });
    set(this.chart.querySelector(".from"), { x: margin });
    this.chart.classList.toggle("narrow", margin === 1);
    this.ribbons(graph.links);
    this.ends(graph.nodes, margin === 1);
  }

  frame(plot) {
    this.chart = svg("svg", { role: "group", "aria-label": "Flow between agencies, drawn from the table beside it" });
    this.chart.innerHTML = '<g class="ribbons"></g><g class="ends"></g><text class="from cap" y="14">From</text><text class="to cap" y="14">To</text>';
    plot.replaceChildren(this.chart);
  }

  ribbons(links) {
    const make = link => {
      const element = set(svg("a"), { href: link.href, tabindex: -1, class: `c${link.colour}` });
      element.append(svg("title"), svg("path"));
      return element;
    };
    join(this.chart.querySelector(".ribbons"), links, link => link.id, make, (element, link) => {
      const [title, path] = element.children, middle = (link.source.x1 + link.target.x0) / 2;
      title.textContent = `${link.source.name} to ${link.target.name}: ${link.value.toLocaleString("en")}`;
      set(path, { d: `M${link.source.x1},${link.y0}C${middle},${link.y0} ${middle},${link.y1} ${link.target.x0},${link.y1}`, "stroke-width": Math.max(1, link.width) });
      Object.assign(element.dataset, { source: link.source.id, target: link.target.id });
    });
  }

  ends(nodes, inside) {
    join(this.chart.querySelector(".ends"), nodes, node => node.id, node => this.end(node), (element, node) => {
      const [box, label] = element.children, left = node.side === "from";
      set(element, { "aria-label": `${node.value.toLocaleString("en")} hand-offs ${node.side} ${node.name}` });
      set(box, { x: node.x0, y: node.y0, width: node.x1 - node.x0, height: Math.max(2, node.y1 - node.y0) });
      set(label, { x: left !== inside ? node.x0 - 8 : node.x1 + 8, y: (node.y0 + node.y1) / 2, "text-anchor": left !== inside ? "end" : "start" });
      label.firstChild.textContent = `${node.name} `;
      label.lastChild.textContent = node.value.toLocaleString("en");
    });
  }

  end(node) {
    const element = set(svg("a"), { href: node.href, class: `c${node.colour}` }), label = svg("text", { dy: ".35em" });
    label.append(svg("tspan"), svg("tspan", { class: "value" }));
    element.append(svg("rect", { rx: 1.5 }), label);
    const light = on => {
      for (const ribbon of this.chart.querySelectorAll(".ribbons a")) {
        ribbon.classList.toggle("dim", on && ribbon.dataset.source !== node.id && ribbon.dataset.target !== node.id);
      }
    };
    for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => light(true));
    for (const event of ["pointerleave", "blur"]) element.addEventListener(event, () => light(false));
    return element;
  }
});

// One small chart a row, all to the same scale; the running week is drawn lighter.
customElements.define("flow-trend", class extends Drawing {
  draw() {
    const rows = [...this.querySelectorAll("tbody tr")].map(row => ({
      href: row.dataset.href, names: [...row.querySelectorAll("th")].map(head => head.textContent), counts: [...row.querySelectorAll("td")].map(number),
    }));
    const highest = Math.max(1, ...rows.flatMap(row => row.counts));
    join(this.querySelector(".plot"), rows, row => row.href, this.make, (element, { href, names, counts }) => {
      const [pair, chart, text] = element.children, height = count => (count * 28 / highest).toFixed(1);
      const bar = (count, week) => `M${week * 4},30v-${height(count)}h3v${height(count)}z`;
      element.href = href;
      pair.children[0].textContent = names[0];
      pair.children[1].textContent = names[1];
      set(chart, { viewBox: `0 0 ${counts.length * 4 - 1} 30` });
      set(chart.firstChild, { d: counts.map(bar).slice(0, -1).join("") });
      set(chart.lastChild, { d: bar(counts.at(-1), counts.length - 1) });
      text.textContent = `${counts.at(-1)} this week, ${counts.reduce((sum, count) => sum + count, 0).toLocaleString("en")} in ${counts.length} weeks`;
    });
  }

  make() {
    const element = document.createElement("a");
    element.innerHTML = '<span class="pair"><b></b> to <b></b></span><svg preserveAspectRatio="none" aria-hidden="true"><path/><path class="running"/></svg><span class="sums"></span>';
    return element;
  }
});

// A number that changed is marked for a moment.
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
  new MutationObserver(changes => {
    for (const { target } of changes) {
      target.parentElement?.closest(".n")?.animate([{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }], 1500);
    }
  }).observe(document.getElementById("main"), { subtree: true, characterData: true });
}

// The line at the top says whether the page is live.
const live = document.getElementById("live"), words = live.querySelector("span"), connected = words.textContent;
function say(lost) {
  const text = lost ? live.dataset.lost : connected;
  live.hidden = false;
  live.classList.toggle("lost", lost);
  if (words.textContent !== text) words.textContent = text;
}
document.addEventListener("htmx:sse:error", () => say(true));
document.addEventListener("htmx:sse:close", () => say(true));
document.addEventListener("htmx:sse:before:connection", event => { if (event.detail.connection.attempt > 0) say(true); });
document.addEventListener("htmx:sse:after:connection", () => say(false));
document.addEventListener("htmx:sse:after:message", () => say(false));

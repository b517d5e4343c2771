"use strict";
// The page of pinsage-cli serve. It asks the API that /openapi.json describes, and nothing else.

const $ = (id) => document.getElementById(id);
const state = { info: null, item: null, basket: [], asked: null, k: 20, results: [], titles: new Map(), turn: 0 };

// --- Talking to the server

function storedKey() {
  try { return sessionStorage.getItem("key") || ""; } catch { return ""; }
}

class Failure extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, body) {
  const headers = {};
  if (storedKey()) headers.authorization = "Bearer " + storedKey();
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
  } catch {
    throw new Failure(0, "The server cannot be reached. Is it still running?");
  }
  if (answer.ok) return answer.json();
  let detail = answer.status + " " + answer.statusText;
  try { detail = (await answer.json()).detail || detail; } catch { /* not a problem document */ }
  if (answer.status === 401) $("key-form").hidden = false;
  throw new Failure(answer.status, detail);
}

function show(error) {
  $("message").textContent = error ? error.message : "";
  $("message").hidden = !error;
}

// --- Pieces of the page

function make(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key in element && key !== "role") element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const titleOf = (entry) => entry.title || entry.item;

function hash(text) {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0), 16777619) >>> 0;
  return value;
}

// An item without an image gets its initials on a colour of its own.
function tile(entry) {
  if (entry.image && /^https?:/.test(entry.image)) {
    const image = make("img", { className: "tile", src: entry.image, alt: "", loading: "lazy", referrerPolicy: "no-referrer" });
    image.addEventListener("error", () => image.replaceWith(tile({ ...entry, image: null })));
    return image;
  }
  const words = titleOf(entry).match(/[\p{L}\p{N}]+/gu) || ["?"];
  const element = make("div", { className: "tile", "aria-hidden": "true" }, words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join(""));
  const hue = hash(entry.item) % 360;
  element.style.background = `linear-gradient(135deg, hsl(${hue} 45% 42%), hsl(${(hue + 40) % 360} 50% 30%))`;
  return element;
}

function share(value) {
  const bar = make("i");
  bar.style.width = Math.round(100 * value) + "%";
  return bar;
}

function percent(value) { return Math.round(100 * value) + " %"; }

function explanation(why) {
  if (!why || (!why.collections.length && !why.neighbors.length)) return null;
  const details = make("details", {}, make("summary", {}, "Why"));
  if (why.collections.length) {
    details.append(make("p", { className: "quiet" }, "Together in"), make("ul", {}, ...why.collections.map((part) =>
      make("li", {}, share(part.share), make("span", { title: part.collection }, part.collection),
        make("span", {}, `${percent(part.share)} · ${part.items} items`)))));
  }
  if (why.neighbors.length) {
    details.append(make("p", { className: "quiet" }, "Its neighbors that point here"), make("ul", {}, ...why.neighbors.map((part) =>
      make("li", {}, share(part.share), make("span", { title: titleOf(part) }, titleOf(part)), make("span", {}, percent(part.share))))));
  }
  return details;
}

function card(entry, place) {
  const open = make("button", { type: "button", className: "open" }, titleOf(entry));
  open.addEventListener("click", () => go({ item: entry.item }));
  const add = make("button", { type: "button", className: "small", "aria-label": "Put " + titleOf(entry) + " into the basket" }, "+ basket");
  add.addEventListener("click", () => putIntoBasket(entry));
  const meter = make("div", { className: "meter", "aria-hidden": "true" });
  const bar = make("i");
  bar.style.width = Math.max(0, Math.min(100, 100 * (entry.score || 0))) + "%";
  meter.append(bar);
  const number = make("span", { className: "quiet" }, entry.score === undefined ? "" : entry.score.toFixed(3));
  number.setAttribute("aria-label", "similarity " + number.textContent);
  const link = entry.url && /^https?:/.test(entry.url)
    ? make("a", { href: entry.url, rel: "noopener noreferrer", target: "_blank", className: "quiet" }, new URL(entry.url).hostname) : null;
  return make("li", { className: "card" }, tile(entry), make("div", { className: "body" },
    make("h3", {}, open), make("div", { className: "row" }, meter, number), make("div", { className: "row" }, link || make("span"), add),
    explanation(entry.explanation)));
}

// --- Addresses: #item=ID or #basket=ID&ID, so that the browser's back button works

function go(place) {
  const next = place.item !== undefined ? "#item=" + encodeURIComponent(place.item)
    : place.basket ? "#basket=" + place.basket.map(encodeURIComponent).join("&") : "#";
  if (location.hash === next || (next === "#" && !location.hash)) follow(); else location.hash = next;
}

async function follow() {
  show(null);
  closeSuggestions();
  state.k = 20;
  let item = null, basket = null;
  try {
    if (location.hash.startsWith("#item=")) item = decodeURIComponent(location.hash.slice(6));
    if (location.hash.startsWith("#basket=")) basket = location.hash.slice(8).split("&").filter(Boolean).map(decodeURIComponent);
  } catch { /* a damaged address shows the start */ }
  state.item = item;
  state.asked = item !== null ? { item } : basket && basket.length ? { basket } : null;
  $("intro").hidden = state.asked !== null;
  $("item").hidden = true;
  $("results").hidden = state.asked === null;
  document.title = "Related items";
  if (basket) await fillBasket(basket);
  if (item !== null) await showItem(item);
  if (state.asked) await showResults(); else { state.results = []; drawMap(); }
}

async function showItem(name) {
  const turn = ++state.turn;
  let entry;
  try { entry = await ask("/v1/items/" + encodeURIComponent(name)); } catch (error) {
    if (turn === state.turn) {
      show(error);
      $("results").hidden = true;
      $("intro").hidden = false;
      state.asked = null;
    }
    return;
  }
  if (turn !== state.turn) return;
  state.titles.set(entry.item, titleOf(entry));
  document.title = titleOf(entry) + " – related items";
  const add = make("button", { type: "button" }, "+ basket");
  add.addEventListener("click", () => putIntoBasket(entry));
  const facts = make("dl");
  for (const [key, value] of Object.entries(entry.attributes)) facts.append(make("dt", {}, key), make("dd", {}, value));
  if (entry.collection_count) {
    const more = entry.collection_count - Math.min(5, entry.collections.length);
    facts.append(make("dt", {}, "in"), make("dd", {}, entry.collections.slice(0, 5).join(", ") + (more > 0 ? ` and ${more} more` : "")));
  }
  const link = entry.url && /^https?:/.test(entry.url) ? make("a", { href: entry.url, rel: "noopener noreferrer", target: "_blank" }, entry.url) : null;
  $("item").replaceChildren(make("div", { className: "head" }, tile(entry), make("div", {},
    make("h2", { id: "item-title" }, titleOf(entry)), link, entry.text ? make("p", { className: "text" }, entry.text) : null, facts, add)));
  $("item").hidden = false;
}

// --- Results

async function showResults() {
  const asked = state.asked, turn = ++state.turn;
  if (!asked) return;
  const filter = $("filter").value.trim(), diversity = Number($("diversity").value), explains = $("explain").checked;
  $("results-heading").textContent = asked.item !== undefined ? "Related" : "What goes with the basket";
  $("results").setAttribute("aria-busy", "true");
  let answer;
  try {
    if (asked.item !== undefined) {
      const query = new URLSearchParams({ k: state.k });
      if (filter) query.set("filter", filter);
      if (diversity > 0) query.set("diversify", diversity);
      if (explains) query.set("explain", "true");
      answer = await ask(`/v1/items/${encodeURIComponent(asked.item)}/related?${query}`);
    } else {
      const body = { items: asked.basket, k: state.k, pooling: $("pooling").value, explain: explains };
      if (filter) body.filter = filter;
      if (diversity > 0) body.diversify = diversity;
      answer = await ask("/v1/recommend", body);
    }
  } catch (error) {
    if (turn !== state.turn) return;
    const isFilter = error.message.startsWith("filter:");
    $("filter-error").textContent = isFilter ? error.message : "";
    $("filter-error").hidden = !isFilter;
    $("filter").setAttribute("aria-invalid", String(isFilter));
    if (!isFilter) show(error);
    $("results").removeAttribute("aria-busy");
    return;
  }
  if (turn !== state.turn) return;
  $("filter-error").hidden = true;
  $("filter").removeAttribute("aria-invalid");
  $("results").removeAttribute("aria-busy");
  $("results").hidden = false;
  if (state.focusesResults) $("results-heading").focus();
  state.focusesResults = false;
  state.results = answer.results;
  for (const entry of answer.results) state.titles.set(entry.item, titleOf(entry));
  $("cards").replaceChildren(...answer.results.map(card));
  const count = answer.results.length;
  $("status").textContent = count === 0 ? (filter ? "Nothing satisfies this filter." : "There is nothing else.") : count === 1 ? "1 item" : count + " items";
  $("more").hidden = count < state.k || state.k >= 100;
  drawMap();
  placeOnMap();
}

// --- Basket

async function fillBasket(names) {
  state.basket = names.map((item) => ({ item, title: state.titles.get(item) }));
  drawBasket();
  await Promise.all(state.basket.filter((entry) => !entry.title).map(async (entry) => {
    try { entry.title = (await ask("/v1/items/" + encodeURIComponent(entry.item))).title; } catch { /* the id says enough */ }
  }));
  drawBasket();
}

function putIntoBasket(entry) {
  if (!state.basket.some((other) => other.item === entry.item)) state.basket.push({ item: entry.item, title: entry.title });
  drawBasket();
  $("status").textContent = titleOf(entry) + " is in the basket";
}

function drawBasket() {
  $("basket").hidden = state.basket.length === 0;
  $("basket-heading").textContent = `Basket (${state.basket.length})`;
  $("basket-items").replaceChildren(...state.basket.map((entry) => {
    const open = make("button", { type: "button" }, titleOf(entry));
    open.addEventListener("click", () => go({ item: entry.item }));
    const remove = make("button", { type: "button", "aria-label": "Take " + titleOf(entry) + " out" }, "×");
    remove.addEventListener("click", () => {
      state.basket = state.basket.filter((other) => other !== entry);
      drawBasket();
      if (state.asked && state.asked.basket) go(state.basket.length ? { basket: state.basket.map((other) => other.item) } : {});
    });
    return make("li", {}, open, remove);
  }));
  placeOnMap();
}

// --- Search as you type

let searchTurn = 0, searchTimer = 0, selected = -1;

function closeSuggestions() {
  $("suggestions").hidden = true;
  $("search").setAttribute("aria-expanded", "false");
  $("search").removeAttribute("aria-activedescendant");
  selected = -1;
}

function select(place) {
  const options = [...$("suggestions").children].filter((option) => option.dataset.item !== undefined);
  if (!options.length) return;
  selected = (place + options.length) % options.length;
  options.forEach((option, index) => option.setAttribute("aria-selected", String(index === selected)));
  $("search").setAttribute("aria-activedescendant", options[selected].id);
  options[selected].scrollIntoView({ block: "nearest" });
}

async function suggest() {
  const text = $("search").value.trim(), turn = ++searchTurn;
  if (!text) return closeSuggestions();
  let found;
  try { found = await ask("/v1/search", { text, k: 10 }); } catch (error) {
    if (turn === searchTurn) show(error);
    return;
  }
  if (turn !== searchTurn || document.activeElement !== $("search")) return;
  show(null);
  $("suggestions").replaceChildren(...found.results.map((entry, index) => {
    state.titles.set(entry.item, titleOf(entry));
    const option = make("li", { id: "option-" + index, role: "option", "aria-selected": "false" }, make("span", {}, titleOf(entry)),
      make("span", { className: "quiet" }, entry.matched === "meaning" ? "by meaning" : ""));
    option.dataset.item = entry.item;
    option.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      $("search").value = "";
      go({ item: entry.item });
    });
    return option;
  }));
  if (!found.results.length) {
    $("suggestions").append(make("li", { role: "option", "aria-disabled": "true" }, make("span", {}, "Nothing found"), make("span", { className: "quiet" }, found.note || "")));
  }
  $("suggestions").hidden = false;
  $("search").setAttribute("aria-expanded", "true");
  selected = -1;
}

$("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(suggest, 120);
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    select(event.key === "ArrowDown" ? selected + 1 : selected - 1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    const option = $("suggestions").hidden ? null : $("suggestions").children[Math.max(selected, 0)];
    if (option && option.dataset.item !== undefined) {
      $("search").value = "";
      state.focusesResults = true;
      go({ item: option.dataset.item });
    } else suggest();
  } else if (event.key === "Escape") closeSuggestions();
});
$("search").addEventListener("blur", closeSuggestions);
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("search").focus();
  }
  // Arrow keys go from card to card.
  const cards = [...document.querySelectorAll(".card .open")], place = cards.indexOf(document.activeElement);
  if (place >= 0 && ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"].includes(event.key)) {
    event.preventDefault();
    const columns = getComputedStyle($("cards")).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const next = cards[Math.max(0, Math.min(cards.length - 1, place + step))];
    next.focus();
  }
});

// --- Map

const map = { loaded: null, x: null, y: null, z: null, items: [], titles: [], places: new Map(), scale: 1, centerX: 0, centerY: 0, pointers: new Map(), moved: 0 };

function loadMap() {
  map.loaded ??= (async () => {
    const answer = await ask("/v1/map");
    Object.assign(map, { x: [], y: [], z: [], items: [], titles: [], places: new Map(), total: answer.total });
    addToMap(answer);
    $("plane").setAttribute("aria-label", `${map.items.length} items on a plane (${answer.method})`);
    if (answer.method !== "neighbors") $("map-about").textContent = "Items that are alike lie near each other, but not all that lie near each other are alike.";
    if (map.total > map.items.length) {
      $("map-about").textContent += ` ${map.items.length.toLocaleString("en")} of ${map.total.toLocaleString("en")} are shown, and those you look at.`;
    }
    showWholeMap();
  })();
  return map.loaded;
}

function addToMap(answer) {
  answer.items.forEach((item, index) => {
    if (map.places.has(item)) return;
    map.places.set(item, map.items.length);
    for (const name of ["items", "titles", "x", "y", "z"]) map[name].push(answer[name][index]);
  });
}

// The map is a sample of a large catalogue; what is looked at must be on it all the same.
async function placeOnMap() {
  if ($("map").hidden || !map.x) return;
  const looked = [...(state.item === null ? [] : [state.item]), ...state.basket.map((entry) => entry.item), ...state.results.map((entry) => entry.item)];
  const missing = [...new Set(looked)].filter((item) => !map.places.has(item));
  if (missing.length) {
    // Without an answer the map is what it was.
    try { addToMap(await ask("/v1/map", { items: missing.slice(0, 1000) })); } catch { /* the results said what is wrong */ }
  }
  const place = map.places.get(state.item), shown = state.shownOnMap;
  state.shownOnMap = state.item;
  if (place !== undefined && shown !== state.item) {
    // Bring it into sight, no further than needed.
    const [x, y] = toScreen(place), width = $("plane").clientWidth, height = $("plane").clientHeight, edge = 0.08;
    if (x < edge * width || x > (1 - edge) * width || y < edge * height || y > (1 - edge) * height) {
      [map.centerX, map.centerY] = [map.x[place], map.y[place]];
      map.isWhole = false;
    }
  }
  drawMap();
}

function showWholeMap() {
  const width = $("plane").clientWidth, height = $("plane").clientHeight;
  // Two in a hundred lie outside: far items would push all others into a corner.
  const span = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return [sorted[Math.floor(0.01 * (sorted.length - 1))], sorted[Math.ceil(0.99 * (sorted.length - 1))]];
  };
  if (!map.x || !map.x.length || !width) return;
  const [left, right] = span(map.x), [bottom, top] = span(map.y);
  map.centerX = (left + right) / 2;
  map.centerY = (bottom + top) / 2;
  map.scale = map.wholeScale = 0.9 * Math.min(width / Math.max(right - left, 1e-9), height / Math.max(top - bottom, 1e-9));
  map.isWhole = true;
  drawMap();
}

const toScreen = (place) => [
  (map.x[place] - map.centerX) * map.scale + $("plane").clientWidth / 2, $("plane").clientHeight / 2 - (map.y[place] - map.centerY) * map.scale];

function drawMap() {
  const canvas = $("plane");
  if ($("map").hidden || !map.x) return;
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d"), dark = document.documentElement.dataset.theme === "dark";
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  // Points of a full map cover a tenth of it or so, and grow when there are fewer in sight.
  const room = Math.sqrt(width * height / Math.max(map.items.length, 1)), closer = Math.sqrt(map.scale / (map.wholeScale || map.scale));
  const size = Math.max(1.5, Math.min(7, 0.35 * room * closer));
  context.globalAlpha = 0.65;
  for (let place = 0; place < map.items.length; place++) {
    const [x, y] = toScreen(place);
    if (x < -5 || y < -5 || x > width + 5 || y > height + 5) continue;
    context.fillStyle = `hsl(${Math.round(200 + 160 * map.z[place]) % 360} 55% ${dark ? 65 : 42}%)`;
    context.fillRect(x - size / 2, y - size / 2, size, size);
  }
  context.globalAlpha = 1;
  const ring = (item, radius, color, label) => {
    const place = map.places.get(item);
    if (place === undefined) return;
    const [x, y] = toScreen(place);
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = color;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = dark ? "#171614" : "#ffffff";
    context.stroke();
    if (label) {
      context.fillStyle = dark ? "#edeae4" : "#22211f";
      context.font = "600 13px system-ui, sans-serif";
      const text = label.slice(0, 40), length = context.measureText(text).width;
      const left = x + radius + 3 + length > width ? x - radius - 3 - length : x + radius + 3;
      context.lineWidth = 4;
      context.lineJoin = "round";
      context.strokeText(text, left, y + 4);
      context.fillText(text, left, y + 4);
    }
  };
  for (const entry of state.results) ring(entry.item, 5, dark ? "#ffb4ab" : "#d6554b");
  for (const entry of state.basket) ring(entry.item, 6, "#3b82c4", titleOf(entry));
  if (state.item !== null) ring(state.item, 7, dark ? "#ff8d80" : "#a3271f", state.titles.get(state.item) || state.item);
}

function nearest(event) {
  const box = $("plane").getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  let best = -1, bestDistance = 14 * 14;
  for (let place = 0; place < map.items.length; place++) {
    const [x, y] = toScreen(place), distance = (x - px) ** 2 + (y - py) ** 2;
    if (distance < bestDistance) [best, bestDistance] = [place, distance];
  }
  return best;
}

function zoom(factor, x = $("plane").clientWidth / 2, y = $("plane").clientHeight / 2) {
  const dx = x - $("plane").clientWidth / 2, dy = $("plane").clientHeight / 2 - y;
  map.centerX += dx / map.scale * (1 - 1 / factor);
  map.centerY += dy / map.scale * (1 - 1 / factor);
  map.scale *= factor;
  map.isWhole = false;
  drawMap();
}

$("plane").addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = $("plane").getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
$("plane").addEventListener("pointerdown", (event) => {
  map.pointers.set(event.pointerId, event);
  map.moved = 0;
  $("tip").hidden = true;
  $("plane").setPointerCapture(event.pointerId);
});
$("plane").addEventListener("pointermove", (event) => {
  const before = map.pointers.get(event.pointerId);
  if (!before) {
    const place = map.x ? nearest(event) : -1;
    $("tip").hidden = place < 0;
    if (place >= 0) {
      const [x, y] = toScreen(place);
      $("tip").textContent = map.titles[place] || map.items[place];
      $("tip").style.left = Math.min(x + 10, $("plane").clientWidth - 200) + "px";
      $("tip").style.top = y + 10 + "px";
    }
    return;
  }
  const others = [...map.pointers.values()].filter((other) => other.pointerId !== event.pointerId);
  map.pointers.set(event.pointerId, event);
  map.moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  if (others.length) {
    const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    zoom(distance(event, others[0]) / Math.max(distance(before, others[0]), 1));
  } else {
    map.centerX -= (event.clientX - before.clientX) / map.scale;
    map.centerY += (event.clientY - before.clientY) / map.scale;
    map.isWhole = false;
    drawMap();
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  $("plane").addEventListener(name, (event) => {
    const wasOne = map.pointers.size === 1;
    map.pointers.delete(event.pointerId);
    if (name === "pointerup" && wasOne && map.moved < 5 && map.x) {
      const place = nearest(event);
      if (place >= 0) go({ item: map.items[place] });
    }
  });
}
$("plane").addEventListener("pointerleave", () => { $("tip").hidden = true; });
$("plane").addEventListener("keydown", (event) => {
  const step = 60 / map.scale;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (moves[event.key]) {
    event.preventDefault();
    map.centerX += moves[event.key][0];
    map.centerY += moves[event.key][1];
    map.isWhole = false;
    drawMap();
  } else if (event.key === "+" || event.key === "=") zoom(1.4);
  else if (event.key === "-") zoom(1 / 1.4);
  else if (event.key === "0") showWholeMap();
});
$("zoom-in").addEventListener("click", () => zoom(1.6));
$("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
$("zoom-all").addEventListener("click", showWholeMap);
$("map-button").addEventListener("click", async () => {
  const opens = $("map").hidden;
  $("map").hidden = !opens;
  $("map-button").setAttribute("aria-pressed", String(opens));
  if (!opens) return;
  try {
    await loadMap();
    // The window may have another size than when the map was closed.
    if (map.isWhole) showWholeMap(); else drawMap();
    await placeOnMap();
  } catch (error) {
    map.loaded = null;
    show(error);
  }
});
addEventListener("resize", () => { if (map.isWhole) showWholeMap(); else drawMap(); });

// --- Controls

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* not remembered then */ }
  drawMap();
}
$("theme-button").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
{
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* not remembered */ }
  document.documentElement.dataset.theme = theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

if (matchMedia("(hover: none)").matches) $("search").placeholder = "Search items";

let filterTimer = 0;
$("filter").addEventListener("input", () => {
  clearTimeout(filterTimer);
  filterTimer = setTimeout(showResults, 400);
});
$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(filterTimer);
  showResults();
});
$("diversity").addEventListener("input", () => {
  $("diversity-value").textContent = $("diversity").value;
  clearTimeout(filterTimer);
  filterTimer = setTimeout(showResults, 150);
});
$("explain").addEventListener("change", showResults);
$("pooling").addEventListener("change", () => { if (state.asked && state.asked.basket) showResults(); });
$("more").addEventListener("click", () => {
  state.k = Math.min(100, state.k + 20);
  showResults();
});
$("basket-ask").addEventListener("click", () => go({ basket: state.basket.map((entry) => entry.item) }));
$("basket-clear").addEventListener("click", () => {
  state.basket = [];
  drawBasket();
  if (state.asked && state.asked.basket) go({});
});
$("home").addEventListener("click", (event) => {
  event.preventDefault();
  go({});
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  try { sessionStorage.setItem("key", $("key").value); } catch { /* asked again next time */ }
  $("key-form").hidden = true;
  start();
});
addEventListener("hashchange", follow);

async function start() {
  try {
    state.info = await ask("/v1/info");
  } catch (error) {
    show(error);
    return;
  }
  show(null);
  const { items, collections, attributes, examples } = state.info;
  $("about").textContent = `${items.toLocaleString("en")} items in ${collections.toLocaleString("en")} collections.`;
  $("filter-help").textContent = attributes.length ? "Attributes: " + attributes.join(", ") + "; also title, url, text and id" : "Names: id, title, url, text";
  $("filter").placeholder = attributes.length ? `${attributes[0]} = "…"` : 'title ~ "…"';
  $("examples").replaceChildren(...(examples || []).map((entry) => {
    state.titles.set(entry.item, titleOf(entry));
    const open = make("button", { type: "button" }, titleOf(entry));
    open.addEventListener("click", () => go({ item: entry.item }));
    return make("li", {}, open);
  }));
  await follow();
}
start();

// The report's page: filters, selection, list and reasons over drawings that are complete without it.
// One state, mirrored in location.hash, decides everything on screen:
//
//   event ─▶ go(change) ─▶ state ─▶ show(): filter ─▶ drawing, and list or detail
//                            └────▶ location.hash
//
// Names come from manifests and are not trusted: they become text nodes and attribute values, never markup.

const $ = (id) => document.getElementById(id);
const report = JSON.parse($('data').textContent);
const { nodes, edges, views } = report;
const [ROWS, PRINTED_ROWS] = [500, 5000];
const LAST_PORT = 65535;
const STATES = {
  all: 'allowed',
  some: 'allowed for some of the pods',
  undetermined: 'undetermined: it depends on something the input does not say',
  added: 'added: allowed after the change only',
  removed: 'removed: allowed before the change only',
  changed: 'changed: allowed on other ports than before',
  ...report.states,
};
const STATE_ORDER = Object.keys(STATES);
const KINDS = { class: 'workloads that connect alike', name: 'name outside the cluster' };

// ---- Model: names and connections by index, so that 100,000 connections stay cheap to scan

const indexById = (list) => new Map(list.map(({ id }, at) => [id, at]));
const nodeAt = indexById(nodes);
const edgeAt = indexById(edges);
const source = Int32Array.from(edges, (edge) => nodeAt.get(edge.source) ?? -1);
const target = Int32Array.from(edges, (edge) => nodeAt.get(edge.target) ?? -1);
const namespaces = [...new Set(nodes.map((node) => node.namespace).filter(Boolean))].sort();

const number = (count) => count.toLocaleString('en');
const counted = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;
const labelOf = (node) => nodes[node]?.label ?? '?';
// A pair without a link: open by default, or what the report says of all others.
const said = ([from, to]) => (nodes[from].out && nodes[to].in ? 'every port: no policy selects either end' : data.none);
const badges = (node) => [node.openIngress && 'accepts everything', node.openEgress && 'reaches everything'].filter(Boolean);
function sayEdge(at) {
  const { ports, undetermined } = edges[at];
  const words = [ports, undetermined && `undetermined: ${undetermined}`].filter(Boolean).join('; ');
  return `${labelOf(source[at])} → ${labelOf(target[at])}  ${words}`;
}

let searched = null;
function nodesWith(word) {
  searched ??= nodes.map(({ label, members = [] }) => [label, ...members].join('\n').toLowerCase());
  return searched.map((text) => text.includes(word));
}

// `80`, `8000-8100`, `udp/53`, `53/udp` or `udp` as [protocol, first, last]; null for what is none of these.
function parsePort(text) {
  const found = /^(?:(tcp|udp|sctp)(?:\/|$))?(?:(\d+)(?:-(\d+))?)?(?:\/(tcp|udp|sctp))?$/i.exec(text.trim());
  if (!found?.[0]) return null;
  const [, before, first = 0, last = first || LAST_PORT, after] = found;
  return +first > +last || last > LAST_PORT ? null : [(before ?? after ?? '').toLowerCase(), +first, +last];
}
// A set of them: `tcp/80,443 udp/53`. A word that is none may be any.
function parsePorts(text) {
  let protocol = '';
  return text.split(/[\s,]+/).filter(Boolean).map((word) => {
    const range = parsePort(word) ?? ['', 0, LAST_PORT];
    protocol = range[0] ||= protocol;
    return range;
  });
}
// Undetermined ports are among them: to hide what may be open would be the worse mistake.
const rangesOf = (edge) => (edge.undetermined ? [...edge.ranges, ...parsePorts(edge.undetermined)] : edge.ranges);
const overlap = (a, b) => (!a[0] || !b[0] || a[0] === b[0]) && a[1] <= b[2] && b[1] <= a[2];

// ---- State and location.hash

const DEFAULTS = { view: views[0]?.id, q: '', ns: '', port: '', dir: '', sel: '', sort: '', theme: '' };
let state = { ...DEFAULTS };

function toHash() {
  const changed = Object.keys(DEFAULTS).filter((key) => state[key] !== DEFAULTS[key]);
  return `#${changed.map((key) => `${key}=${encodeURIComponent(state[key]).replaceAll('%2F', '/')}`).join('&')}`;
}
function fromHash() {
  const read = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
  const check = (key, holds) => { if (!holds(read[key])) read[key] = DEFAULTS[key]; };
  check('view', (id) => views.some((view) => view.id === id));
  check('ns', (name) => namespaces.includes(name));
  check('dir', (dir) => ['in', 'out'].includes(dir));
  check('sel', resolve);
  check('sort', columnOf);
  return read;
}
// A selection or a view is a step to go back from; typing is not.
function go(change, step = true) {
  const before = toHash();
  Object.assign(state, change);
  if (toHash() !== before) {
    try {
      history[step ? 'pushState' : 'replaceState'](null, '', toHash());
    } catch {
      // A sandboxed frame refuses: the page works, and its address does not follow.
    }
  }
  show();
}

// ---- Selection
// `e3` is a connection, `n0` a name, `n0..n1` a pair, connected or not, and `VIEW.7` an element of a view by its place,
// for one that stands for several connections or names.

function resolve(sel) {
  if (edgeAt.has(sel)) return { kind: 'edge', edges: [edgeAt.get(sel)], nodes: [] };
  if (nodeAt.has(sel)) return { kind: 'nodes', edges: [], nodes: [nodeAt.get(sel)] };
  const pair = sel.split('..').map((id) => nodeAt.get(id));
  if (pair.length === 2 && !pair.includes(undefined)) {
    const between = [...edges.keys()].filter((at) => source[at] === pair[0] && target[at] === pair[1]);
    return { kind: between.length ? 'edges' : 'pair', edges: between, nodes: pair };
  }
  const [, view, at] = /^(.+)\.(\d+)$/.exec(sel) ?? [];
  const item = view && drawing(view)?.items[at];
  return item ? { ...item, kind: item.edges.length ? 'edges' : 'nodes' } : null;
}
function selectionOf(view, item) {
  if (item.edges.length === 1) return edges[item.edges[0]].id;
  if (!item.edges.length && item.nodes.length === 1) return nodes[item.nodes[0]].id;
  if (!item.edges.length && item.pair) return item.pair.map((node) => nodes[node].id).join('..');
  return `${view.id}.${item.at}`;
}

// ---- Filter

// What passes: `list` of connections in the report's order, `pass` by connection, `lit` by name.
function filter(selection) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.map(nodesWith);
  const port = parsePort(state.port);
  const picked = new Set(selection?.kind === 'nodes' ? selection.nodes : []);
  const pass = new Uint8Array(edges.length);
  const lit = new Uint8Array(nodes.length);
  const list = [];
  // The direction is seen from the most specific thing named. The other filters may match at either end.
  const seenFrom = picked.size ? 'picked' : words.length ? 'words' : 'ns';
  const either = (at, what, test) => {
    const dir = what === seenFrom ? state.dir : '';
    return (dir !== 'in' && test(source[at])) || (dir !== 'out' && test(target[at]));
  };
  edges.forEach((edge, at) => {
    if (picked.size && !either(at, 'picked', (node) => picked.has(node))) return;
    if (state.ns && !either(at, 'ns', (node) => nodes[node]?.namespace === state.ns)) return;
    if (port && !rangesOf(edge).some((range) => overlap(port, range))) return;
    const matches = words.every((word, which) => either(at, 'words', (node) => found[which][node])
      || edge.ports.includes(word) || edge.undetermined.includes(word));
    if (!matches) return;
    pass[at] = lit[source[at]] = lit[target[at]] = 1;
    list.push(at);
  });
  for (const node of picked) lit[node] = 1;
  // A name that is searched for stays lit without a connection: to have none is an answer.
  if (words.length && !picked.size) nodes.forEach((_, node) => { if (found.every((hit) => hit[node])) lit[node] = 1; });
  return { active: !!(words.length || state.ns || port || picked.size), pass, lit, list };
}

// ---- Drawings

const ITEM = '[data-e], [data-n], [data-p]';
const drawings = new Map();
// A view, and its elements that stand for something: found when it is first shown.
function drawing(id) {
  const section = views.some((view) => view.id === id) && $(`view-${id}`);
  if (!section || drawings.has(id)) return drawings.get(id);
  const svg = section.querySelector('svg');
  const view = { id, section, svg, byElement: new Map(), byNode: new Map(), marked: [], zoom: 0 };
  const indices = (ids, map) => ids?.split(' ').map((one) => map.get(one)).filter((at) => at !== undefined) ?? [];
  view.items = Array.from(section.querySelectorAll(ITEM), (element, at) => {
    const item = {
      at,
      element,
      edges: indices(element.dataset.e, edgeAt),
      nodes: indices(element.dataset.n, nodeAt),
      pair: element.dataset.p ? indices(element.dataset.p, nodeAt) : null,
      title: element.getAttribute('aria-label') ?? element.querySelector(':scope > title')?.textContent ?? '',
      dim: false,
    };
    view.byElement.set(element, item);
    for (const node of item.nodes) view.byNode.set(node, [...(view.byNode.get(node) ?? []), item]);
    return item;
  });
  // What has parts to select is no image.
  svg?.setAttribute('role', 'group');
  drawings.set(id, view);
  if (view.items.length) rove(view, view.items[0]);
  return view;
}
const ofNodes = (view, list) => list.flatMap((node) => view.byNode.get(node) ?? []);
const endsOf = (list) => list.flatMap((at) => [source[at], target[at]]);

function paint(view, shown, selection) {
  for (const [{ element }, name] of view.marked.splice(0)) element.classList.remove(name);
  const chosen = selection && view.items.find((item) => selectionOf(view, item) === state.sel);
  for (const item of view.items) {
    const lit = item.edges.some((at) => shown.pass[at]) || item.nodes.some((node) => shown.lit[node]);
    const dim = shown.active && !lit && item !== chosen;
    // Changing classes is what costs in a large drawing.
    if (dim !== item.dim) item.element.classList.toggle('dim', (item.dim = dim));
  }
  if (!selection) return;
  const mark = (items, name) => items.forEach((item) => {
    item.element.classList.add(name);
    view.marked.push([item, name]);
  });
  const selected = new Set(selection.edges);
  mark(view.items.filter((item) => item === chosen || (item.edges.length === 1 && selected.has(item.edges[0]))), 'sel');
  mark(ofNodes(view, selection.nodes), selection.kind === 'pair' ? 'near' : 'sel');
  mark(ofNodes(view, endsOf(selection.edges.slice(0, 50))), 'near');
}

function say(item) {
  if (item.edges.length === 1) return sayEdge(item.edges[0]);
  if (item.edges.length) return `${item.title} (${counted(item.edges.length, 'connection')})`;
  if (item.nodes.length === 1) return [labelOf(item.nodes[0]), ...badges(nodes[item.nodes[0]])].join(', ');
  return item.pair ? `${item.pair.map(labelOf).join(' → ')}  ${said(item.pair)}` : item.title;
}
// One element of a view is in the tab order, and arrow keys move that place. Roles and names are set on the way: on
// every element of a large drawing they would take seconds.
function rove(view, item) {
  view.current?.element.setAttribute('tabindex', '-1');
  view.current = item;
  item.element.setAttribute('tabindex', '0');
  item.element.setAttribute('role', 'button');
  item.element.setAttribute('aria-label', say(item));
}
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// The nearest element in a direction, straight ahead before aside.
function neighbour({ items, current }, [dx, dy]) {
  if (items.length > 4000) return items[current.at + dx + dy];
  const middle = ({ element }) => {
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [x, y] = middle(current);
  let [best, least] = [null, Infinity];
  for (const item of items) {
    const [ix, iy] = middle(item);
    const ahead = (ix - x) * dx + (iy - y) * dy;
    const aside = Math.abs((ix - x) * dy + (iy - y) * dx);
    if (ahead > 1 && aside <= 2 * ahead && ahead + 4 * aside < least) [best, least] = [item, ahead + 4 * aside];
  }
  return best;
}

// ---- Zoom

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
// Scales a view and leaves the point (x, y) of its window where it is.
function zoom(view, scale, x = view.section.clientWidth / 2, y = view.section.clientHeight / 2) {
  const { section, svg } = view;
  const { width, height } = svg?.viewBox.baseVal ?? {};
  if (!width) return;
  const frame = section.getBoundingClientRect();
  const before = svg.getBoundingClientRect();
  view.zoom = clamp(scale, 0.05, 8);
  svg.setAttribute('width', width * view.zoom);
  svg.setAttribute('height', height * view.zoom);
  const after = svg.getBoundingClientRect();
  section.scrollLeft += after.x - frame.x - x + (frame.x + x - before.x) / before.width * after.width;
  section.scrollTop += after.y - frame.y - y + (frame.y + y - before.y) / before.height * after.height;
}
function fit(view, least) {
  const { width, height } = view.svg?.viewBox.baseVal ?? {};
  const { clientWidth, clientHeight } = view.section;
  zoom(view, clamp(Math.min((clientWidth - 24) / width, (clientHeight - 24) / height), least, 1.6));
  view.section.scrollTo(0, 0);
}
function zoomBy(factor) {
  const view = drawing(state.view);
  if (view) factor ? zoom(view, view.zoom * factor) : fit(view, 0.05);
}

// ---- Panel

const set = (element, key, value) => (key in element ? (element[key] = value) : element.setAttribute(key, value));
// `make('p.note', { title }, text, [more])`: strings become text nodes, and what is empty is left out.
function make(what, ...content) {
  const [tag, className] = what.split('.');
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const part of content.flat(Infinity).filter(Boolean)) {
    if (part instanceof Node || typeof part === 'string') element.append(part);
    else for (const key of Object.keys(part)) set(element, key, part[key]);
  }
  return element;
}
const button = (className, ...content) => make(`button.${className}`, { type: 'button' }, ...content);
// A long name may break after its slashes and commas.
const breakable = (text) => text.split(/(?<=[/,])/).flatMap((part, at) => (at ? [make('wbr'), part] : [part]));
const linkTo = (node) => (nodes[node] ? button('link', { 'data-sel': nodes[node].id }, breakable(labelOf(node))) : '?');
const copy = (text) => button('copy', { 'data-copy': text, 'aria-label': `Copy ${text}` }, 'copy');
const stateTag = (name, text = name) => make(`span.state state-${name}`, text);
const portCell = ({ ports, undetermined }) =>
  make('span.ports', ports.split(/(?<=,)/).map((part) => [part, make('wbr')]), undetermined && make('span.unknown', ` undetermined: ${undetermined}`));

// Sort keys are numbers, made once a column: comparing 100,000 pairs of names is slow.
function ranks(ends) {
  const rank = new Map([...nodes.keys()].sort((a, b) => (labelOf(a) < labelOf(b) ? -1 : 1)).map((node, at) => [node, at]));
  return Array.from(ends, (node) => rank.get(node) ?? -1);
}
const [SOURCE, DESTINATION, PORTS, STATE] = [
  { id: 'source', title: 'Source', cell: (at) => breakable(labelOf(source[at])), keys: () => ranks(source) },
  { id: 'destination', title: 'Destination', cell: (at) => breakable(labelOf(target[at])), keys: () => ranks(target) },
  { id: 'ports', title: 'Ports', cell: (at) => portCell(edges[at]), keys: () => edges.map((e) => rangesOf(e)[0]?.[1] ?? -1) },
  { id: 'state', title: 'State', cell: (at) => stateTag(edges[at].state), keys: () => edges.map((e) => STATE_ORDER.indexOf(e.state)) },
];
const COLUMNS = [SOURCE, DESTINATION, PORTS, STATE];
const columnOf = (sort) => COLUMNS.find(({ id }) => id === sort.replace('-', ''));
function sorted(list) {
  const column = columnOf(state.sort);
  if (!column) return list;
  const keys = (column.made ??= column.keys());
  const sign = state.sort.startsWith('-') ? -1 : 1;
  return [...list].sort((a, b) => sign * (keys[a] - keys[b]) || a - b);
}

// Fills a parent with as many items as one reads, and returns a button for more.
function capped(parent, items, render) {
  const more = button('more');
  let done = 0;
  more.grow = (count) => {
    parent.append(...items.slice(done, done + count).map(render));
    done = Math.min(items.length, done + count);
    more.textContent = `Show more (${number(done)} of ${number(items.length)})`;
    more.hidden = done === items.length;
  };
  more.addEventListener('click', () => more.grow(ROWS));
  more.grow(ROWS);
  return more;
}
// A table of connections, and the button for more of it. One row is in the tab order, and arrow keys go on from there.
function table(caption, list, columns, sortable) {
  const head = columns.map(({ id, title }) => {
    if (!sortable) return make('th', { scope: 'col' }, title);
    const order = { [id]: 'ascending', [`-${id}`]: 'descending' }[state.sort] ?? 'none';
    return make('th', { scope: 'col', 'aria-sort': order }, button('', { 'data-sort': id }, title));
  });
  const row = (at) => {
    const cells = columns.map(({ cell }) => cell(at));
    cells[0] = button('link', { 'aria-label': sayEdge(at), tabIndex: at === list[0] ? 0 : -1 }, cells[0]);
    return make('tr', { 'data-sel': edges[at].id }, cells.map((cell) => make('td', cell)));
  };
  const body = make('tbody');
  const more = capped(body, list, row);
  return [make('table.listing', make('caption.quiet', caption), make('thead', make('tr', head)), body), more];
}

let listed = null;
function showList({ active, list }) {
  const key = [state.q, state.ns, state.port, state.dir, state.sort].join('\n');
  if (key === listed) return;
  listed = key;
  const nothing = make('p.empty', active ? 'No connection matches.' : 'No connections.');
  $('list').replaceChildren(...(list.length ? table('Connections', sorted(list), COLUMNS, true) : [nothing]));
}

// The question that the command line answers in full, quoted for a shell.
function command(from, to, range) {
  const name = (node) => nodes[node]?.arg ?? nodes[node]?.members?.[0] ?? labelOf(node);
  const words = ['kubereach', 'explain', ...(report.args ?? []), name(from), name(to)];
  if (range && (range[1] > 1 || range[2] < LAST_PORT)) {
    const ports = range[1] === range[2] ? `${range[1]}` : `${range[1]}-${range[2]}`;
    words.push('--port', ['', 'tcp'].includes(range[0]) ? ports : `${ports}/${range[0]}`);
  }
  const line = words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
  const unbroken = line.split(/((?<= )-+\w+)/).map((part, at) => (at % 2 ? make('span.option', part) : part));
  const box = make('div.command', make('pre', make('code', unbroken)), copy(line));
  return [make('h3', 'On the command line'), box];
}
const heading = (...content) => make('h2', { tabIndex: -1 }, content);
const headingOf = (from, to) => heading(linkTo(from), make('span.to', ' → '), linkTo(to));

function edgeDetail(at) {
  const edge = edges[at];
  const fact = (name, value) => (value ? [make('dt', name), make('dd', value)] : []);
  const code = (text) => text && make('code', breakable(text));
  // The same reason holds for many connections, so a report may list it once and refer to it by number.
  const reasons = edge.why.map((why) => {
    const { direction, text, at: place } = report.reasons?.[why] ?? why;
    const where = place && make('span.at', make('code', place), copy(place));
    return make('li', make('span.side', direction), make('span', text), where);
  });
  const ranges = rangesOf(edge);
  const asked = parsePort(state.port);
  return [
    headingOf(source[at], target[at]),
    make('dl',
      fact('Ports', code(edge.ports)),
      fact('Undetermined', code(edge.undetermined)),
      fact('State', stateTag(edge.state, STATES[edge.state])),
      fact('Note', edge.note)),
    make('h3', 'Why'),
    reasons.length ? make('ul.why', reasons) : make('p', 'No rule is recorded.'),
    ...command(source[at], target[at], (asked && ranges.find((range) => overlap(asked, range))) ?? ranges[0]),
  ];
}
function foldedList(word, items, render) {
  const list = make('ul.members');
  const details = make('details', { open: items.length <= 12 }, make('summary', counted(items.length, word)), list);
  const fill = () => details.append(capped(list, items, (item) => make('li', render(item))));
  if (details.open) fill();
  else details.addEventListener('toggle', fill, { once: true });
  return details;
}
// What goes into and out of a name, or of several.
function nodesDetail({ nodes: picked, title }, { list }) {
  const one = picked.length === 1 ? nodes[picked[0]] : null;
  const content = one
    ? [heading(breakable(one.label)), make('div.tags',
      make('span.tag', KINDS[one.kind] ?? one.kind),
      badges(one).map((text) => make('span.tag open', text)))]
    : [heading(title || counted(picked.length, 'name')), foldedList('name', picked, linkTo)];
  if (one?.members?.some((name) => name !== one.label)) content.push(foldedList('member', one.members, breakable));
  for (const [dir, words, ends, other] of [['in', 'Into it', target, SOURCE], ['out', 'Out of it', source, DESTINATION]]) {
    if (state.dir && state.dir !== dir) continue;
    const found = sorted(list.filter((at) => picked.includes(ends[at])));
    content.push(make('h3', `${words}: ${counted(found.length, 'connection')}`));
    if (found.length) content.push(...table(words, found, one ? [other, PORTS, STATE] : COLUMNS));
  }
  return content;
}
const DETAILS = {
  edge: ({ edges: [at] }) => edgeDetail(at),
  nodes: nodesDetail,
  edges: ({ edges: list, title }) => {
    const count = counted(list.length, 'connection');
    return [heading(title || 'Connections'), make('h3', count), ...table(count, sorted(list), COLUMNS)];
  },
  pair: ({ nodes: ends }) => [
    headingOf(...ends),
    make('p', `${said(ends)}.`),
    ...command(...ends, parsePort(state.port)),
  ],
};

// ---- Show

const isDark = () => (state.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : '')) === 'dark';
let lastSel = '';
let cameFrom = null;
function show() {
  const selection = resolve(state.sel);
  const shown = filter(selection);
  document.documentElement.dataset.theme = state.theme;
  $('theme').setAttribute('aria-pressed', isDark());
  for (const id of ['q', 'ns', 'port', 'dir']) if ($(id).value.trim() !== state[id]) $(id).value = state[id];
  $('port').setAttribute('aria-invalid', !!state.port && !parsePort(state.port));
  $('clear').disabled = !['q', 'ns', 'port', 'dir', 'sel'].some((key) => state[key]);
  $('count').textContent = (shown.active ? `${number(shown.list.length)} of ` : '') + counted(edges.length, 'connection');

  for (const { id } of views) {
    $(`view-${id}`).hidden = id !== state.view;
    $(`tab-${id}`).setAttribute('aria-pressed', id === state.view);
  }
  const view = drawing(state.view);
  if (view) paint(view, shown, selection);
  if (view && !view.zoom) fit(view, 0.5);

  // Focus would be lost with what it is on: it goes to the heading, and later back to the row it came from.
  const inPanel = $('panel').contains(document.activeElement);
  if ($('list').contains(document.activeElement)) cameFrom = document.activeElement;
  if (selection) {
    const back = button('back', { 'data-sel': '' }, '← All connections');
    $('detail').replaceChildren(back, ...DETAILS[selection.kind](selection, shown));
  } else showList(shown);
  $('detail').hidden = !selection;
  $('list').hidden = !!selection;
  if (state.sel === lastSel) return;
  lastSel = state.sel;
  const title = selection && $('detail').querySelector('h2');
  $('announce').textContent = title ? `Selected: ${title.textContent}` : '';
  $('panel').scrollTop = 0;
  if (inPanel) (title ?? (cameFrom?.isConnected ? cameFrom : $('list').querySelector('tbody button')))?.focus();
  // On a narrow screen the panel is below the drawing.
  if (title && matchMedia('(max-width: 900px)').matches) $('panel').scrollIntoView({ block: 'nearest' });
}

// ---- Events: a few listeners on containers, none on the elements of a drawing

document.documentElement.classList.add('js');
$('subtitle').textContent = report.subtitle ?? '';
$('ns').append(...namespaces.map((name) => make('option', { value: name }, name)));
$('tabs').append(...views.map(({ id, title }) => button('', { id: `tab-${id}`, 'data-view': id }, title)));
$('tabs').hidden = views.length < 2;
const used = new Set(edges.map((edge) => edge.state));
for (const name of STATE_ORDER) if (used.has(name)) $('legend').append(make('li', { title: STATES[name] }, stateTag(name)));
for (const id of ['tools', 'toolbar', 'bar', 'panel']) $(id).hidden = false;

const KEYS = {
  '/': () => $('q').select(),
  '?': () => $('help').showModal(),
  '+': () => zoomBy(1.25),
  '-': () => zoomBy(0.8),
  0: () => zoomBy(0),
};

const on = (id, type, listener, options) => $(id).addEventListener(type, listener, options);
let typing = 0;
for (const id of ['q', 'port']) {
  on(id, 'input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => go({ q: $('q').value.trim(), port: $('port').value.trim() }, false), 120);
  });
}
for (const id of ['ns', 'dir']) on(id, 'change', () => go({ [id]: $(id).value }));
const clear = () => go({ q: '', ns: '', port: '', dir: '', sel: '' });
on('clear', 'click', () => {
  clear();
  $('q').focus();
});
on('theme', 'click', () => go({ theme: isDark() ? 'light' : 'dark' }, false));
on('ask', 'click', KEYS['?']);
on('help-close', 'click', () => $('help').close());
on('zoom-in', 'click', KEYS['+']);
on('zoom-out', 'click', KEYS['-']);
on('zoom-fit', 'click', KEYS[0]);
on('tabs', 'click', ({ target: { dataset } }) => dataset.view && go({ view: dataset.view }));

async function copyText(hit) {
  try {
    await navigator.clipboard.writeText(hit.dataset.copy);
    hit.textContent = 'copied';
    setTimeout(() => { hit.textContent = 'copy'; }, 1500);
  } catch {
    // No clipboard, or no permission: with the text selected, the usual keys copy it.
    getSelection().selectAllChildren(hit.parentNode.querySelector('code'));
  }
}
on('panel', 'click', ({ target: over }) => {
  const hit = over.closest('[data-copy], [data-sort], [data-sel]');
  const { copy: text, sort, sel } = hit?.dataset ?? {};
  if (text) copyText(hit);
  else if (sort) {
    go({ sort: { [sort]: `-${sort}`, [`-${sort}`]: '' }[state.sort] ?? sort }, false);
    $('list').querySelector(`[data-sort="${sort}"]`).focus();
  } else if (hit && (getSelection().isCollapsed || over.closest('button'))) go({ sel });
});
on('panel', 'keydown', (event) => {
  const step = { ArrowDown: 'nextSibling', ArrowUp: 'previousSibling' }[event.key];
  const next = step && event.target.closest('tbody tr')?.[step]?.querySelector('button');
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

function itemAt(element) {
  const view = drawing(state.view);
  return [view, view?.byElement.get(element.closest(ITEM))];
}
function choose(view, item) {
  const sel = selectionOf(view, item);
  rove(view, item);
  go({ sel: sel === state.sel ? '' : sel });
}
// Says what the pointer or the focus is on, and shows its ends: row and column of a cell.
let hot = [];
function point({ target: over }) {
  const [view, item] = itemAt(over);
  for (const { element } of hot) element.classList.remove('hot');
  hot = item ? [item, ...ofNodes(view, item.pair ?? endsOf(item.edges.slice(0, 1)))] : [];
  for (const { element } of hot) element.classList.add('hot');
  $('readout').textContent = item ? say(item) : '';
}
on('views', 'mouseover', point);
on('views', 'focusin', point);
on('views', 'keydown', (event) => {
  const [view, item] = itemAt(event.target);
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = ARROWS[event.key] && neighbour(view, ARROWS[event.key]);
  if (next) {
    rove(view, next);
    next.element.focus();
  } else if (['Enter', ' '].includes(event.key)) choose(view, item);
  else return;
  event.preventDefault();
});

// Dragging scrolls. It starts after a few pixels, so that a click by a shaking hand stays a click.
let drag = null;
on('views', 'pointerdown', ({ button: which, pointerType, clientX, clientY }) => {
  drag = which === 0 && pointerType === 'mouse' ? { x: clientX, y: clientY, moved: false } : null;
});
on('views', 'pointermove', ({ buttons, pointerId, clientX, clientY }) => {
  if (!drag || !buttons || (!drag.moved && Math.hypot(clientX - drag.x, clientY - drag.y) < 5)) return;
  $('views').setPointerCapture(pointerId);
  $('views').classList.add('panning');
  drawing(state.view)?.section.scrollBy(drag.x - clientX, drag.y - clientY);
  drag = { x: clientX, y: clientY, moved: true };
});
on('views', 'lostpointercapture', () => $('views').classList.remove('panning'));
on('views', 'click', ({ target: over }) => {
  const [view, item] = itemAt(over);
  if (item && !drag?.moved) choose(view, item);
});
on('views', 'wheel', (event) => {
  const view = drawing(state.view);
  if (!view || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const { x, y } = view.section.getBoundingClientRect();
  zoom(view, view.zoom * Math.exp(-clamp(event.deltaY, -100, 100) / 300), event.clientX - x, event.clientY - y);
}, { passive: false });

addEventListener('keydown', (event) => {
  const { key, target: over } = event;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || $('help').open) return;
  if (key === 'Escape') return state.sel ? go({ sel: '' }) : clear();
  if (!KEYS[key] || over.closest?.('input, select')) return;
  event.preventDefault();
  KEYS[key]();
});
addEventListener('hashchange', () => {
  state = fromHash();
  show();
});
addEventListener('beforeprint', () => {
  const selection = resolve(state.sel);
  for (const { id } of views) paint(drawing(id), filter(selection), selection);
  showList(filter(null));
  $('list').querySelector('.more')?.grow(PRINTED_ROWS);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
state = fromHash();
show();

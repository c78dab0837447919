// Makes and changes elements. Bytes of devices become text, never markup.

export const byId = (id) => document.getElementById(id);

/** make('a', {href: '#/', class: 'x'}, 'text', child, ...) */
export function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets text only if it changes, so that screen readers and selections are undisturbed. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Escapes invisible characters: device bytes can hold control characters. */
export function visible(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function fillCell(td, cell) {
  if (td.className !== (cell.class ?? '')) td.className = cell.class ?? '';
  const tag = cell.href ? 'A' : cell.kind ? 'SPAN' : null;
  let inner = td.firstElementChild;
  if ((inner?.tagName ?? null) !== tag) {
    td.textContent = '';
    inner = tag ? td.appendChild(document.createElement(tag)) : null;
  }
  if (cell.href && inner.getAttribute('href') !== cell.href) inner.setAttribute('href', cell.href);
  if (cell.kind) {
    inner.className = 'reason';
    inner.dataset.kind = cell.kind;
  }
  say(inner ?? td, cell.text);
  if (td.title !== (cell.title ?? '')) td.title = cell.title ?? '';
}

/** Replaces the rows of `body` by `rows`. Rows have roles, since a narrow page lays them out as lines. A row keeps its element, and the focus in it, as long as its key exists. */
export function fillRows(body, rows, keyOf, cellsOf) {
  const known = new Map([...body.rows].map((tr) => [tr.dataset.key, tr]));
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  let place = body.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    const tr = known.get(key) ?? make('tr', {'data-key': key, role: 'row'});
    known.delete(key);
    const cells = cellsOf(row);
    while (tr.cells.length < cells.length) tr.insertCell().setAttribute('role', 'cell');
    cells.forEach((cell, i) => fillCell(tr.cells[i], cell));
    if (tr === place) place = place.nextElementSibling;
    else body.insertBefore(tr, place);
  }
  for (const gone of known.values()) gone.remove();
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({preventScroll: true});
}

/** Fills a <dl> with [name, text, title, address] rows; keeps the elements if the names stay. */
export function fillFacts(list, facts) {
  const same = list.children.length === facts.length && facts.every((fact, i) => list.children[i].firstChild.textContent === fact[0]);
  if (!same) list.replaceChildren(...facts.map(([name]) => make('div', {}, make('dt', {}, name), make('dd', {}))));
  facts.forEach(([, text, title, href], i) => {
    const dd = list.children[i].lastChild;
    if (href && dd.firstElementChild?.getAttribute('href') !== href) dd.replaceChildren(make('a', {href}));
    say(href ? dd.firstElementChild : dd, text);
    if (dd.title !== (title ?? '')) dd.title = title ?? '';
  });
}

// The latest bad items, each with its origin, its kind and its first bytes. The address holds the search.

import * as api from './api.js';
import {byId, fillRows, say, visible} from './dom.js';
import {bytes, number, when, words} from './format.js';
import {badPage, connectionPage, devicePage} from './links.js';

const ROWS = 10;

function cellsOf(row) {
  const head = [row.head, row.detail].filter(Boolean).map(visible).join(' · ');
  return [
    {text: when(row.at), title: row.at, class: 'mono'},
    {text: row.peer, href: connectionPage(row.conn, row.peer), title: row.peer, class: 'mono'},
    {text: row.id === undefined || row.id === null ? '–' : visible(row.id), href: row.id ? devicePage(row.id) : undefined, title: row.id ?? '', class: 'mono'},
    {text: words(row.kind), kind: 'protocol', title: row.kind},
    {text: head || 'empty', title: `${head}\nbyte ${number(row.position)} of the stream, ${number(row.bytes)} bytes`, class: 'mono head-bytes'},
    {text: bytes(row.bytes), class: 'right wide'},
  ];
}

export function fillBad(body, rows) {
  fillRows(body, rows, (row) => String(row.number), cellsOf);
}

export class BadItems {
  #query = {peer: '', id: '', kind: ''};
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    const form = byId('bad-filter');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(Object.fromEntries(new FormData(form)));
    });
    form.addEventListener('reset', () => this.#search({}));
    byId('bad-kind').addEventListener('change', () => form.requestSubmit());
  }

  /** Fills in the gateway's own list of kinds. */
  setKinds(kinds) {
    const select = byId('bad-kind');
    if (kinds.join('\n') === [...select.options].slice(1).map((o) => o.value).join('\n')) return;
    select.replaceChildren(new Option('any', ''), ...kinds.map((kind) => new Option(words(kind), kind)));
    select.value = this.#query.kind;
  }

  enter(parameters) {
    for (const name of Object.keys(this.#query)) {
      this.#query[name] = parameters.get(name) ?? '';
      byId(`bad-${name}`).value = this.#query[name];
    }
    this.refresh();
  }

  #search(fields) {
    for (const name of Object.keys(this.#query)) this.#query[name] = String(fields[name] ?? '').trim();
    const given = Object.entries(this.#query).filter(([, value]) => value !== '');
    history.replaceState(null, '', given.length ? badPage(given) : '#/bad');
    this.refresh();
  }

  async #fetch() {
    let answer;
    try {
      answer = await api.bad({...this.#query, limit: ROWS});
    } catch (error) {
      say(byId('bad-trouble'), error.message);
      return;
    }
    say(byId('bad-trouble'), '');
    fillBad(byId('bad-body'), answer.bad_items);
    byId('bad-empty').hidden = answer.bad_items.length > 0;
    const searched = Object.values(this.#query).some((value) => value !== '');
    say(byId('bad-empty'), searched ? 'No bad item among the latest 1,000 matches the search.' : 'No bad item has arrived since the gateway started.');
    say(byId('bad-note'), answer.left_out ? `${number(answer.left_out)} further bad items were counted only: too many arrived in a second.` : '\u00a0');
  }
}

// The table of connections: the gateway searches, sorts and pages; the address holds the search.

import * as api from './api.js';
import {byId, fillRows, make, say} from './dom.js';
import {keyOf} from './facts.js';
import {bytes, duration, number} from './format.js';
import {connectionPage, devicePage} from './links.js';

const ascendingFirst = new Set(['peer', 'key']);

function cellsOf(row) {
  const key = keyOf(row);
  return [
    {text: row.suspect_since ? `${row.peer} suspect` : row.peer, href: connectionPage(row.conn, row.peer),
      title: row.suspect_since ? `${row.peer}: silent since it was probed on suspicion at ${row.suspect_since}` : row.peer,
      class: row.suspect_since ? 'mono suspect' : 'mono'},
    {text: key, title: key === '–' ? 'no item yet' : key, class: 'mono', href: row.id ? devicePage(row.id) : undefined},
    {text: row.listener, title: row.listener, class: 'wide'},
    {text: duration(row.age_s), title: `since ${row.connected_at}`, class: 'right wide'},
    {text: row.key === null ? '–' : `${duration(row.since_item_s)}`, class: 'right'},
    {text: number(row.items), class: 'right'},
    {text: bytes(row.bytes_in), title: `${number(row.bytes_in)} bytes`, class: 'right wide'},
    {text: bytes(row.bytes_out), title: `${number(row.bytes_out)} bytes`, class: 'right wide'},
  ];
}

export class Connections {
  #query = {peer: '', key: '', id: '', listener: '', suspect: '', sort: 'age', order: 'desc'};
  #offset = 0;
  #limit = 15;
  #total = 0;
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    const form = byId('filter');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(Object.fromEntries(new FormData(form)));
    });
    form.addEventListener('reset', () => this.#search({peer: '', key: '', id: '', listener: '', suspect: ''}));
    for (const at of ['filter-listener', 'filter-suspect']) byId(at).addEventListener('change', () => form.requestSubmit());
    for (const head of document.querySelectorAll('#connections th[data-sort]')) {
      head.querySelector('button').addEventListener('click', () => this.#sortBy(head.dataset.sort));
    }
    byId('page-size').addEventListener('change', (event) => {
      this.#limit = Number(event.target.value);
      byId('connections-rows').dataset.rows = event.target.value;
      this.#turnTo(0);
    });
    byId('page-previous').addEventListener('click', () => this.#turnTo(this.#offset - this.#limit));
    byId('page-next').addEventListener('click', () => this.#turnTo(this.#offset + this.#limit));
    this.#markSort();
  }

  setListeners(names) {
    const select = byId('filter-listener');
    if (names.join('\n') === [...select.options].slice(1).map((o) => o.value).join('\n')) return;
    select.replaceChildren(make('option', {value: ''}, 'all'), ...names.map((name) => make('option', {value: name}, name)));
    select.value = names.includes(this.#query.listener) ? this.#query.listener : '';
  }

  /** Takes the search from the address of a link, a bookmark, or the way back. */
  enter(parameters) {
    for (const name of ['peer', 'key', 'id', 'listener']) this.#query[name] = parameters.get(name) ?? '';
    this.#query.suspect = parameters.get('suspect') === 'true' ? 'true' : '';
    this.#query.sort = document.querySelector(`#connections th[data-sort="${CSS.escape(parameters.get('sort') ?? '')}"]`)
      ? parameters.get('sort') : 'age';
    this.#query.order = ['asc', 'desc'].includes(parameters.get('order')) ? parameters.get('order') : this.#usualOrder(this.#query.sort);
    byId('filter-peer').value = this.#query.peer;
    byId('filter-key').value = this.#query.key;
    byId('filter-id').value = this.#query.id;
    byId('filter-listener').value = this.#query.listener;
    byId('filter-suspect').checked = this.#query.suspect !== '';
    this.#offset = 0;
    this.#markSort();
    this.refresh();
  }

  /** Returns "?peer=10.2.0.0/16&sort=items", or an empty text for the defaults. */
  get address() {
    const {sort, order} = this.#query;
    const usual = order === this.#usualOrder(sort);
    const said = {...this.#query, sort: sort === 'age' && usual ? '' : sort, order: usual ? '' : order};
    const parameters = new URLSearchParams(Object.entries(said).filter(([, value]) => value !== ''));
    return parameters.size ? `?${parameters}` : '';
  }

  #usualOrder(sort) { return ascendingFirst.has(sort) ? 'asc' : 'desc'; }

  #search(fields) {
    for (const name of ['peer', 'key', 'id', 'listener', 'suspect']) this.#query[name] = String(fields[name] ?? '').trim();
    this.#changed();
  }

  #sortBy(sort) {
    const same = this.#query.sort === sort;
    this.#query.order = same ? (this.#query.order === 'asc' ? 'desc' : 'asc') : this.#usualOrder(sort);
    this.#query.sort = sort;
    this.#markSort();
    this.#changed();
  }

  #changed() {
    this.#offset = 0;
    history.replaceState(null, '', `#/connections${this.address}`);
    this.refresh();
  }

  #turnTo(offset) {
    this.#offset = Math.max(0, offset);
    this.refresh();
  }

  #markSort() {
    for (const head of document.querySelectorAll('#connections th[data-sort]')) {
      const on = head.dataset.sort === this.#query.sort;
      if (on) head.setAttribute('aria-sort', this.#query.order === 'asc' ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    }
  }

  async #fetch() {
    let answer = null;
    let trouble = '';
    try {
      answer = await api.connections({...this.#query, limit: this.#limit, offset: this.#offset});
    } catch (error) {
      trouble = error.message;
    }
    say(byId('connections-trouble'), trouble);
    byId('filter-peer').setAttribute('aria-invalid', trouble.startsWith('peer='));
    if (!answer) return;
    if (this.#offset >= answer.total && this.#offset > 0) {  // the last rows of the page are gone
      this.#turnTo(Math.floor(Math.max(0, answer.total - 1) / this.#limit) * this.#limit);
      return;
    }
    this.#total = answer.total;
    fillRows(byId('connections-body'), answer.connections, (row) => row.conn, cellsOf);
    this.#tell(answer.connections.length);
  }

  #tell(shown) {
    const searched = this.#query.peer || this.#query.key || this.#query.id || this.#query.listener || this.#query.suspect;
    byId('connections-empty').hidden = shown > 0;
    say(byId('connections-empty'), searched ? 'No connection matches the search.' : 'No device is connected.');
    say(byId('connections-range'), shown ? `${number(this.#offset + 1)} to ${number(this.#offset + shown)} of ${number(this.#total)}` : 'none');
    byId('page-previous').disabled = this.#offset === 0;
    byId('page-next').disabled = this.#offset + this.#limit >= this.#total;
  }
}

// The last closed connections, each with its reason and the kernel's evidence. The address holds the search.

import * as api from './api.js';
import {byId, fillRows, make, say, visible} from './dom.js';
import {evidenceLine, keyOf} from './facts.js';
import {duration, number, when} from './format.js';
import {closedPage, connectionPage, devicePage} from './links.js';
import {reasons} from './reasons.js';

const ROWS = 10;

function cellsOf(life) {
  const key = keyOf(life);
  const evidence = [evidenceLine(life), life.gateway && `at ${visible(life.gateway)}`].filter(Boolean).join(', ');
  return [
    {text: when(life.at), title: life.at, class: 'mono'},
    {text: life.peer, href: connectionPage(life.conn, life.peer, true), title: life.peer, class: 'mono'},
    {text: key, title: key, class: 'mono id', href: life.id ? devicePage(life.id) : undefined},
    {text: life.reason, kind: life.kind, title: evidence},
    {text: evidence, title: evidence, class: 'detail muted'},
    {text: life.evidence ? duration(life.duration_s) : '–', class: 'right wide'},
    {text: life.evidence ? number(life.items) : '–', class: 'right wide'},
  ];
}

export function fillLives(body, lives) {
  fillRows(body, lives, (life) => life.conn, cellsOf);
}

export class Ended {
  #query = {peer: '', id: '', reason: ''};
  #offset = 0;
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    const form = byId('ended-filter');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(Object.fromEntries(new FormData(form)));
    });
    form.addEventListener('reset', () => this.#search({}));
    byId('ended-reason').addEventListener('change', () => form.requestSubmit());
    byId('ended-previous').addEventListener('click', () => this.#turnTo(this.#offset - ROWS));
    byId('ended-next').addEventListener('click', () => this.#turnTo(this.#offset + ROWS));
    this.setReasons(reasons);
  }

  /** Fills in the gateway's own list of reasons. */
  setReasons(names) {
    const select = byId('ended-reason');
    if (names.join('\n') === [...select.options].slice(1).map((o) => o.value).join('\n')) return;
    select.replaceChildren(make('option', {value: ''}, 'any'), ...names.map((name) => make('option', {value: name}, name)));
    select.value = this.#query.reason;
  }

  /** Takes the search from the address of a link or a bookmark. */
  enter(parameters) {
    for (const name of Object.keys(this.#query)) {
      this.#query[name] = parameters.get(name) ?? '';
      byId(`ended-${name}`).value = this.#query[name];
    }
    this.#turnTo(0);
  }

  #search(fields) {
    for (const name of Object.keys(this.#query)) this.#query[name] = String(fields[name] ?? '').trim();
    const given = Object.entries(this.#query).filter(([, value]) => value !== '');
    history.replaceState(null, '', given.length ? closedPage(given) : '#/ended');
    this.#turnTo(0);
  }

  #turnTo(offset) {
    this.#offset = Math.max(0, offset);
    this.refresh();
  }

  async #fetch() {
    let lives;
    try {
      lives = (await api.closed({...this.#query, limit: ROWS + 1, offset: this.#offset})).closed;
    } catch (error) {
      say(byId('ended-trouble'), error.message);
      byId('ended-peer').setAttribute('aria-invalid', error.message.startsWith('peer='));
      return;
    }
    say(byId('ended-trouble'), '');
    byId('ended-peer').setAttribute('aria-invalid', 'false');
    this.#tell(lives.slice(0, ROWS), lives.length > ROWS);
  }

  #tell(lives, more) {
    fillLives(byId('ended-body'), lives);
    byId('ended-empty').hidden = lives.length > 0;
    const searched = Object.values(this.#query).some((value) => value !== '');
    say(byId('ended-empty'), searched ? 'No closed connection in the history matches the search.' : 'No connection has closed since the gateway started.');
    say(byId('ended-range'), lives.length ? `${number(this.#offset + 1)} to ${number(this.#offset + lives.length)}, newest first` : 'none');
    byId('ended-previous').disabled = this.#offset === 0;
    byId('ended-next').disabled = !more;
  }
}

// The last closed connections, each with its reason and the kernel's evidence.

import * as api from './api.js';
import {keyOf, pageOf} from './connections.js';
import {byId, fillRows, make, say, visible} from './dom.js';
import {duration, milliseconds, number, when} from './format.js';
import {reasons} from './reasons.js';

const ROWS = 10;

/** Returns the evidence in a line, without zeros. */
export function evidenceLine(life) {
  const {evidence} = life;
  const said = [
    life.error, life.detail && visible(life.detail),
    evidence.probes && `${number(evidence.probes)} probes unanswered`,
    evidence.retransmits && `${number(evidence.retransmits)} retransmissions`,
    evidence.unacked_bytes && `${number(evidence.unacked_bytes)} B unacknowledged`,
    evidence.unsent_bytes && `${number(evidence.unsent_bytes)} B unsent`,
    life.kind === 'network' && `last heard ${milliseconds(evidence.last_heard_ms)} before`,
  ];
  return said.filter(Boolean).join(', ');
}

function cellsOf(life) {
  const key = keyOf(life);
  const evidence = evidenceLine(life);
  return [
    {text: when(life.at), title: life.at, class: 'mono'},
    {text: life.peer, href: pageOf(life.conn, life.peer, true), title: life.peer, class: 'mono'},
    {text: key, title: key, class: 'mono wide'},
    {text: life.reason, kind: life.kind, title: evidence},
    {text: evidence, title: evidence, class: 'detail muted'},
    {text: duration(life.duration_s), class: 'right wide'},
    {text: number(life.items), class: 'right wide'},
  ];
}

export function fillLives(body, lives) {
  fillRows(body, lives, (life) => life.conn, cellsOf);
}

export class Ended {
  #reason = '';
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    byId('ended-reason').addEventListener('change', (event) => {
      this.#reason = event.target.value;
      this.refresh();
    });
    this.setReasons(reasons);
  }

  /** Fills in the gateway's own list of reasons. */
  setReasons(names) {
    const select = byId('ended-reason');
    if (names.join('\n') === [...select.options].slice(1).map((o) => o.value).join('\n')) return;
    select.replaceChildren(make('option', {value: ''}, 'any'), ...names.map((name) => make('option', {value: name}, name)));
    select.value = this.#reason;
  }

  async #fetch() {
    let lives;
    try {
      lives = (await api.closed({reason: this.#reason, limit: ROWS})).closed;
    } catch (error) {
      say(byId('ended-trouble'), error.message);
      return;
    }
    say(byId('ended-trouble'), '');
    fillLives(byId('ended-body'), lives);
    byId('ended-empty').hidden = lives.length > 0;
    say(byId('ended-empty'), this.#reason ? 'No connection among the last 10,000 has this reason.' : 'No connection has closed since the gateway started.');
  }
}

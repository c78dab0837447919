// Connections and closes by prefix. A row divides its prefix further, and its numbers lead to the rows that they count.

import * as api from './api.js';
import {byId, fillRows, make, say} from './dom.js';
import {duration, gatewayNow, number, when} from './format.js';
import {closedPage, connectionsPage} from './links.js';
import {bySize} from './reasons.js';

const ROWS = 100;
const INTERVAL_MS = 5000;  // minimum interval of requests: each one walks all connections

export const prefixPage = (prefix) => (prefix ? `#/prefixes/${encodeURIComponent(prefix)}` : '#/prefixes');

/** Returns "10.2.0.9" of "10.2.0.9/32", which cannot be divided; null of a wider prefix. */
function addressOf(prefix) {
  const [address, bits] = prefix.split('/');
  return bits === (address.includes(':') ? '128' : '32') ? address : null;
}

/** Returns a cell with a number that leads to its rows; zero leads nowhere. */
const count = (n, href, kind) => ({text: number(n), href: n > 0 ? href : undefined, class: `right ${n > 0 && kind ? kind : ''}`.trim()});

function cellsOf(row) {
  const address = addressOf(row.prefix);
  const reasons = bySize(row.reasons).map(([reason, n]) => `${number(n)} ${reason}`).join(', ');
  return [
    {text: address ?? row.prefix, title: row.prefix, class: 'mono',
      href: !address ? prefixPage(row.prefix) : row.connections > 0 ? connectionsPage({peer: address}) : closedPage({peer: address})},
    count(row.connections, connectionsPage({peer: row.prefix})),
    count(row.suspects, connectionsPage({peer: row.prefix, suspect: 'true'}), 'suspect'),
    count(row.closed, closedPage({peer: row.prefix})),
    {text: reasons, title: reasons, class: 'muted wide'},
  ];
}

export class Prefixes {
  #within = '';
  #trail = [];  // prefixes from the widest to the shown one
  #askedAt = 0;
  #answered = null;
  #fetch = api.oneAtATime(() => this.#ask());

  /** Shows the prefixes that divide `within`; all for an empty text. */
  enter(within) {
    const at = this.#trail.indexOf(within);
    if (within === '') this.#trail = [];
    else if (at >= 0) this.#trail.length = at + 1;
    else this.#trail.push(within);
    if (within !== this.#within) this.#answered = null;
    this.#within = within;
    this.#showTrail();
    this.#fetch();
  }

  refresh() {
    if (Date.now() - this.#askedAt >= INTERVAL_MS) this.#fetch();
  }

  #showTrail() {
    const steps = ['', ...this.#trail];
    byId('prefixes-trail').replaceChildren(...steps.flatMap((prefix, i) => {
      const text = prefix || 'all';
      const step = i + 1 < steps.length ? make('a', {href: prefixPage(prefix), class: 'mono'}, text)
        : make('span', {class: 'mono', 'aria-current': 'true'}, text);
      return i > 0 ? [' › ', step] : [step];
    }));
  }

  async #ask() {
    this.#askedAt = Date.now();
    const within = this.#within;
    let answer;
    try {
      answer = await api.prefixes({peer: within, limit: ROWS});
    } catch (error) {
      say(byId('prefixes-trouble'), error.message);
      return;
    }
    if (within !== this.#within) return;
    this.#answered = answer;
    say(byId('prefixes-trouble'), '');
    fillRows(byId('prefixes-body'), answer.prefixes, (row) => row.prefix, cellsOf);
    this.#tell(answer);
  }

  #tell(answer) {
    byId('prefixes-empty').hidden = answer.prefixes.length > 0;
    say(byId('prefixes-empty'), this.#within ? `No connection is or was in ${this.#within}.` : 'No device has connected.');
    const rest = answer.total - answer.prefixes.length;
    const seconds = Math.max(1, Math.round((gatewayNow() - Date.parse(answer.closed_since)) / 60e3) * 60);
    say(byId('prefixes-closed'), `Closed, ${duration(seconds)}`);
    say(byId('prefixes-note'), `${number(answer.connections)} connections, ${number(answer.suspects)} suspects; ${number(answer.closed)} closed since `
      + `${when(answer.closed_since)} UTC${rest > 0 ? `. ${number(rest)} further prefixes are not shown; open a row to divide it` : ''}.`);
  }
}

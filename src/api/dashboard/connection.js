// One connection's page: its facts, the kernel's evidence, its plan and its last lives, with buttons to probe, send and
// close.

import * as api from './api.js';
import {byId, fillFacts, say, visible} from './dom.js';
import {fillLives} from './ended.js';
import {evidenceFacts, evidenceLine, generalFacts, identityFacts} from './facts.js';
import {ago, bytes, duration, gatewayNow, microseconds, milliseconds, number, when, words} from './format.js';

const LIVES = 20;
const ALL_LIVES = 10000;  // the number that the gateway keeps

/** Returns "10.2.0.9" of "10.2.0.9:51514", "2001:db8::1" of "[2001:db8::1]:51514". */
const addressOf = (peer) => peer.slice(0, peer.lastIndexOf(':')).replace(/[[\]]/g, '');

const ways = {
  fin_or_reset: 'FIN or reset', idle: 'Gone while idle', in_flight: 'Gone with data in flight', probing: 'Gone while probed',
  zero_window: 'Does not read',
};

function planFacts(one) {
  const {plan} = one;
  const worst = Object.entries(plan.worst_case_ms).map(([way, ms]) => [ways[way] ?? words(way), `within ${milliseconds(ms)}`]);
  return [
    ['Promised within', milliseconds(one.detect_within_ms)],
    ['Probed', `after ${plan.idle_s} s, then each ${plan.interval_s} s`, `${number(plan.count)} probes`],
    ...worst,
  ];
}

function lifeFacts(life) {
  return [
    ...identityFacts(life),
    ['Key', life.key === null ? 'no item' : visible(life.key)],
    ['Connection', life.conn],
    ['Listener', life.listener],
    ['Closed', `${when(life.at)} UTC, ${ago(life.at)}`, life.at],
    ['Lived', duration(life.duration_s)],
    ['Items', number(life.items)],
    ['Received', bytes(life.bytes_in)],
    ['Sent', bytes(life.bytes_out)],
    ['Error', life.error ?? 'none'],
    ['Detail', life.detail ? visible(life.detail) : 'none'],
  ];
}

/** Returns why `text` is not one JSON object, or an empty text if it is one. */
export function objectFault(text) {
  if (text.trim() === '') return 'Write a JSON object, for example {"cmd":"reboot"}.';
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `The text is not JSON: ${error.message}.`;
  }
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? '' : 'The text is JSON but not an object: begin it with {.';
}

export class Connection {
  #id = null;
  #peer = null;
  #device = null;  // its id, if it has one
  #open = false;  // the latest answer had it open
  #known = false;
  #endTold = false;  // the feed has reported its end: no request is needed
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    byId('one-probe').addEventListener('click', () => this.#probe());
    byId('one-close').addEventListener('click', () => this.#confirm());
    byId('confirm').addEventListener('close', () => {
      if (byId('confirm').returnValue === 'yes') this.#close();
    });
    byId('send').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    byId('send-json').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('send').requestSubmit();
    });
  }

  get id() { return this.#id; }

  get title() { return `${this.#peer ?? this.#id}${this.#open ? '' : ' (closed)'}`; }

  enter(id, peer, ended) {
    this.#id = id;
    this.#peer = peer;
    this.#device = null;
    this.#open = this.#known = false;
    this.#endTold = ended;
    for (const list of ['one-facts', 'one-evidence', 'one-plan']) byId(list).replaceChildren();
    for (const place of ['one-outcome', 'send-outcome']) this.#outcome(place, '\u00a0', '');
    byId('send-json').value = '';
    byId('lives-body').replaceChildren();
    say(byId('one-title'), peer ?? id);
    this.#state('', '');
    this.refresh();
  }

  leave() {
    this.#id = null;
    if (byId('confirm').open) byId('confirm').close('no');
  }

  /** An event line of the feed: shows this connection's end at once. */
  take(line) {
    if (this.#id === null || !line.includes(`"${this.#id}"`)) return;
    this.#endTold = true;
    this.refresh();
  }

  async #fetch() {
    const id = this.#id;
    if (id === null) return;
    if (!this.#endTold || !await this.#showEnded(id)) await this.#fetchOpen(id);
    if (id !== this.#id) return;
    if (this.#peer !== null) await this.#fetchLives(id);
    document.dispatchEvent(new Event('titlechange'));
  }

  async #fetchOpen(id) {
    try {
      const one = await api.connection(id);
      if (id !== this.#id) return;
      this.#peer = one.peer;
      this.#device = one.id ?? null;
      this.#showOpen(one);
    } catch (error) {
      if (id !== this.#id) return;
      if (error.status !== 404) this.#outcome('one-outcome', error.message, 'bad');
      else if (!await this.#showEnded(id) && id === this.#id) this.#showMissing();
    }
  }

  #showOpen(one) {
    this.#open = this.#known = true;
    say(byId('one-title'), one.peer);
    this.#state(one.suspect_since ? 'suspect' : 'open', one.suspect_since ? 'open, suspect' : 'open');
    this.#enable(true);
    fillFacts(byId('one-facts'), generalFacts(one));
    fillFacts(byId('one-evidence'), evidenceFacts(one.evidence, 'ago'));
    fillFacts(byId('one-plan'), planFacts(one));
  }

  /** Returns true if it is among the last lives. */
  async #showEnded(id) {
    if (this.#known && !this.#open) return true;  // an end is final
    let lives = [];
    try {
      lives = (await api.closed({peer: this.#peer === null ? '' : addressOf(this.#peer), limit: ALL_LIVES})).closed;
    } catch (error) {
      this.#outcome('one-outcome', error.message, 'bad');
      return true;
    }
    const life = lives.find((one) => one.conn === id);
    if (!life || id !== this.#id) return false;
    this.#open = false;
    this.#known = true;
    this.#enable(false);
    this.#peer = life.peer;
    this.#device = life.id ?? null;
    say(byId('one-title'), life.peer);
    this.#state(life.kind, `closed: ${life.reason}`);
    this.#outcome('one-outcome', evidenceLine(life) || '\u00a0', '');
    fillFacts(byId('one-facts'), lifeFacts(life));
    fillFacts(byId('one-evidence'), life.evidence ? evidenceFacts(life.evidence, 'before the end') : []);
    return true;
  }

  #showMissing() {
    this.#open = false;
    this.#known = this.#endTold = true;
    this.#enable(false);
    this.#state('gone', 'unknown');
    this.#outcome('one-outcome', 'The connection is unknown: it is neither open nor in the history of closed ones.', 'bad');
  }

  /** An address may be that of many devices, and a device may change it: the id of the device counts. */
  async #fetchLives(id) {
    const address = addressOf(this.#peer);
    const whose = this.#device === null ? `address ${address}` : `device ${visible(this.#device)}`;
    const search = this.#device === null ? {peer: address} : {id: this.#device};
    try {
      const lives = (await api.closed({...search, limit: LIVES})).closed.filter((life) => life.conn !== id);
      if (id !== this.#id) return;
      say(byId('lives-title'), `Closed connections of ${whose}`);
      fillLives(byId('lives-body'), lives);
      byId('lives-empty').hidden = lives.length > 0;
      say(byId('lives-empty'), `No other connection of ${whose} is in the history of closed ones.`);
    } catch {
      return;  // the next try shows it; the feed's state shows that the gateway is away
    }
  }

  // Acting

  /** Sends a command. Without `ask`, the feed reports the result. */
  async #act(button, place, work, ask = true) {
    const id = this.#id;
    button.setAttribute('aria-busy', 'true');
    try {
      const [text, tone] = await work(id);
      if (id === this.#id) this.#outcome(place, text, tone);
    } catch (error) {
      if (id === this.#id) this.#outcome(place, error.message, 'bad');
    } finally {
      button.removeAttribute('aria-busy');
      if (ask) this.refresh();
    }
  }

  #probe() {
    this.#outcome('one-outcome', 'Probing…', '');
    return this.#act(byId('one-probe'), 'one-outcome', async (id) => {
      const answer = await api.probe(id);
      const heard = `last heard ${milliseconds(answer.last_heard_ms)} ago`;
      return answer.alive
        ? [`Alive: answered after ${milliseconds(answer.waited_ms)}, ${heard}, round trip ${microseconds(answer.rtt_us)}.`, 'good']
        : [`Silent: no answer in ${milliseconds(answer.waited_ms)}, ${heard}. The connection stays open until its plan ends it.`, 'bad'];
    });
  }

  #send() {
    const text = byId('send-json').value;
    const fault = objectFault(text);
    byId('send-json').setAttribute('aria-invalid', fault !== '');
    if (fault) {
      this.#outcome('send-outcome', fault, 'bad');
      byId('send-json').focus();
      return null;
    }
    return this.#act(byId('send').querySelector('button'), 'send-outcome', async (id) => {
      await api.send(id, text);
      return [`Queued at ${when(gatewayNow())} UTC. Only an answer of the device confirms delivery.`, 'good'];
    });
  }

  #confirm() {
    say(byId('confirm-text'), `${this.#peer} (${this.#id}) sees the end at once and may connect again. The reason will be “kicked”.`);
    byId('confirm').returnValue = 'no';
    byId('confirm').showModal();
  }

  #close() {
    return this.#act(byId('one-close'), 'one-outcome', async (id) => {
      await api.close(id);
      return ['The connection is being closed.', 'good'];
    }, false);
  }

  // Showing

  #enable(open) {
    for (const button of ['one-probe', 'one-close']) byId(button).disabled = !open;
    byId('one-sending').hidden = byId('one-found').hidden = !open;
  }

  #state(kind, text) {
    byId('one-state').dataset.kind = kind;
    say(byId('one-state'), text);
  }

  #outcome(place, text, tone) {
    byId(place).dataset.tone = tone;
    say(byId(place), text);
  }
}

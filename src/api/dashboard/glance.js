// The figures on top: the current state, the last second, and the totals since the start.

import * as api from './api.js';
import {byId, say} from './dom.js';
import {milliseconds, number, rate} from './format.js';
import {sum} from './reasons.js';

function tile(name, figure, note, trouble = false) {
  say(byId(`tile-${name}`), figure);
  say(byId(`tile-${name}-note`), note);
  byId(`tile-${name}`).parentElement.classList.toggle('trouble', trouble);
}

export class Glance {
  #status = null;
  #sample = null;
  onStatus = () => {};
  refresh = api.oneAtATime(() => this.#fetch());

  take(sample) {
    this.#sample = sample;
    this.#show();
  }

  get connections() { return this.#sample?.connections ?? this.#status?.connections ?? null; }

  async #fetch() {
    try {
      this.#status = await api.status();
    } catch {
      return;  // the feed's state shows that the gateway is away
    }
    this.#sample = null;  // of the previous sample
    this.onStatus(this.#status);
    this.#show();
  }

  #show() {
    const status = this.#status;
    if (!status) return;
    const now = this.#sample;
    const paused = status.listeners.filter((one) => one.accept_paused).map((one) => one.name);
    const refused = status.refused.max_connections;
    const named = status.identified ? `, ${number(status.identified)} by id` : '';
    const leaving = status.draining ? 'draining: the gateway stops' : status.out_of_service ? 'out of service: drained by an operator' : '';
    const suspects = now?.suspects ?? status.suspects;
    const doubt = suspects ? `${number(suspects)} suspect: no answer yet` : '';
    tile('connections', number(this.connections), leaving || doubt || `of at most ${number(status.max_connections)}${named}`, leaving + doubt !== '');
    if (now) this.#showRates(now);
    say(byId('tile-accepted-note'), paused.length ? `paused: ${paused.join(', ')}` : `${number(status.accepted)} since start${refused ? `, ${number(refused)} refused` : ''}`);
    byId('tile-accepted').parentElement.classList.toggle('trouble', paused.length > 0);
    say(byId('tile-ended-note'), `${number(sum(status.closed))} since start`);
    const bad = sum(status.bad_items);
    say(byId('tile-items-note'), `${number(status.items)} since start${bad ? `, ${number(bad)} bad` : ''}`);
    this.#showFirstItem(status);
    this.#showSink(status);
    tile('detect', milliseconds(status.detect_within_ms), status.listeners.length > 1 ? `listener ${status.listeners[0].name}` : `probes after ${status.plan.idle_s} s of silence`);
  }

  // Until the first connection: shows how to make one.
  #showFirstItem(status) {
    const command = status.accepted > 0 || this.connections > 0 ? '' : status.first_item_command ?? '';
    byId('first-item').hidden = command === '';
    say(byId('first-item-command'), command);
  }

  #showRates(sample) {
    say(byId('tile-accepted'), `${rate(sample.accepted)} /s`);
    say(byId('tile-ended'), `${rate(sum(sample.closed))} /s`);
    say(byId('tile-items'), `${rate(sample.items)} /s`);
  }

  #showSink({sink, reading_paused: waiting}) {
    if (!sink) {
      tile('sink', 'none', 'events go to the embedding program');
      return;
    }
    const trouble = sink.error ?? (waiting || sink.full ? 'full: devices wait' : null);
    tile('sink', sink.type, trouble ?? `${number(sink.lag_events)} ${sink.lag_events === 1 ? 'event' : 'events'} behind`, trouble !== null);
  }
}

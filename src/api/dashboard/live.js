// The live feed (/v1/events): passes messages to its listeners, detects silence, and reconnects. Uses fetch(), since an
// EventSource cannot send the token.

import {isLocked, request} from './token.js';

const QUIET_MS = 6000;  // a sample arrives each second: after so long without one the feed is lost
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 10000;

/** Yields the messages of a stream of server-sent events as [kind, data]. */
async function* messages(stream) {
  let rest = '';
  for (const reader = stream.pipeThrough(new TextDecoderStream()).getReader();;) {
    const {value, done} = await reader.read();
    if (done) return;
    const whole = (rest + value).split('\n\n');
    rest = whole.pop();
    for (const message of whole) {
      const fields = Object.fromEntries(message.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      if ('event' in fields) yield [fields.event, fields.data ?? ''];
    }
  }
}

export class Feed extends EventTarget {
  #under = null;  // the AbortController of the stream under way
  #retry = 0;
  #wait = FIRST_RETRY_MS;
  #quietSince = 0;  // ms since the epoch: the latest message, or the latest try
  #state = 'connecting';
  heardAt = null;  // ms since the epoch of the latest message

  get state() { return this.#state; }

  start() {
    this.#open();
    setInterval(() => this.#watch(), 1000);
  }

  /** Closes the feed until tryNow(). */
  stop() {
    this.#lose();
  }

  /** Reopens the feed now. */
  tryNow() {
    if (this.#state !== 'live') this.#open();
  }

  async #open() {
    clearTimeout(this.#retry);
    this.#under?.abort();
    this.#quietSince = Date.now();
    const under = new AbortController();
    this.#under = under;
    try {
      const answer = await request('/v1/events?kinds=sample,alarm,connected,closed', {signal: under.signal});
      if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
      for await (const [kind, data] of messages(answer.body)) {
        if (under !== this.#under) return;
        this.#take(kind, data);
      }
    } catch {
      // An end without an error: the feed is lost.
    }
    if (under === this.#under) this.#lose();
  }

  #take(kind, data) {
    this.#quietSince = this.heardAt = Date.now();
    const back = this.#state !== 'live';
    this.#wait = FIRST_RETRY_MS;
    this.#turn('live');
    // Reloads everything that may have changed without the feed.
    if (back) this.dispatchEvent(new Event('back'));
    this.dispatchEvent(new MessageEvent(kind, {data}));
  }

  #watch() {
    if (this.#under !== null && Date.now() - this.#quietSince > QUIET_MS) this.#lose();
    if (this.#state === 'lost') this.dispatchEvent(new Event('state'));
  }

  #lose() {
    this.#under?.abort();
    this.#under = null;
    clearTimeout(this.#retry);
    this.#turn(isLocked() ? 'locked' : 'lost');
    if (isLocked()) return;
    this.#retry = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LAST_RETRY_MS);
  }

  #turn(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }
}

// The live feed (/v1/events): tells its listeners what comes, notices when nothing comes any more, and tries again.

const QUIET_MS = 6000;  // a sample comes each second: after so long without one the feed is lost
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 10000;

export class Feed extends EventTarget {
  #source = null;
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

  /** Opens the feed anew, now. */
  tryNow() {
    if (this.#state !== 'live') this.#open();
  }

  #open() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#quietSince = Date.now();
    const source = new EventSource('/v1/events?kinds=sample,alarm,connected,closed');
    this.#source = source;
    for (const kind of ['sample', 'alarm', 'connected', 'closed', 'skipped']) {
      source.addEventListener(kind, (event) => {
        if (source === this.#source) this.#take(kind, event.data);
      });
    }
    source.addEventListener('error', () => {
      if (source === this.#source) this.#lose();
    });
  }

  #take(kind, data) {
    this.#quietSince = this.heardAt = Date.now();
    const back = this.#state !== 'live';
    this.#wait = FIRST_RETRY_MS;
    this.#turn('live');
    // Whatever happened while nobody listened has to be asked for.
    if (back) this.dispatchEvent(new Event('back'));
    this.dispatchEvent(new MessageEvent(kind, {data}));
  }

  #watch() {
    const open = this.#source.readyState !== EventSource.CLOSED;
    if (open && Date.now() - this.#quietSince > QUIET_MS) this.#lose();
    if (this.#state === 'lost') this.dispatchEvent(new Event('state'));
  }

  #lose() {
    this.#source.close();
    this.#turn('lost');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LAST_RETRY_MS);
  }

  #turn(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }
}

// The device's side of the holdfast protocol (docs/reference/protocol.md) for Node, without dependencies.
//
//     const device = new Device({host: 'gateway.example', port: 7000, id: 'device-17'});
//     device.start();
//     device.add({ip: '10.20.30.40', status: 'online'});  // false: the memory is full
//
// Events: 'message' (object), 'refused' (seq, reason), 'acked' (seq), 'disconnected'.
'use strict';
const {EventEmitter} = require('node:events');
const {randomBytes, randomInt} = require('node:crypto');
const net = require('node:net');

const STABLE_MS = 10_000;  // a connection that lasted so long resets the back-off
const MAX_RETRY_AFTER_MS = 86_400_000;
const MAX_GAPS = 3;  // of one number in a row
const MAX_MESSAGE = 65_536;  // bytes; a larger one is dropped
const BATCH_BYTES = 16_384;

// Returns the wait before an attempt: doubled with each failure, and from half of it to all of it.
function backoff(failures, minMs, maxMs) {
  const wait = Math.min(maxMs, minMs * 2 ** Math.min(failures, 20));
  return Math.ceil(wait / 2) + randomInt(Math.floor(wait / 2) + 1);
}

// Cuts bytes into frames: lines, or four bytes of length and the text.
class Frames {
  constructor(length) {
    this.length = length;
    this.rest = Buffer.alloc(0);
    this.skip = 0;
  }

  // Returns the whole frames that `data` completes.
  take(data) {
    this.rest = Buffer.concat([this.rest, data]);
    const frames = [];
    for (let frame = this.next(); frame !== null; frame = this.next()) {
      if (frame.length > 0) frames.push(frame);
    }
    return frames;
  }

  next() {
    return this.length ? this.nextOfLength() : this.nextLine();
  }

  nextLine() {
    const end = this.rest.indexOf(10);
    if (end < 0) {
      if (this.rest.length > MAX_MESSAGE) [this.rest, this.skip] = [Buffer.alloc(0), 1];
      return null;
    }
    const frame = this.skip > 0 ? Buffer.alloc(0) : this.rest.subarray(0, end);
    this.skip = 0;
    this.rest = this.rest.subarray(end + 1);
    return frame;
  }

  nextOfLength() {
    const skipped = Math.min(this.skip, this.rest.length);
    this.rest = this.rest.subarray(skipped);
    this.skip -= skipped;
    if (this.rest.length < 4) return null;
    const size = this.rest.readUInt32BE(0);
    if (size > MAX_MESSAGE) {
      this.skip = size;
      this.rest = this.rest.subarray(4);
      return Buffer.alloc(0);
    }
    if (this.rest.length < 4 + size) return null;
    const frame = this.rest.subarray(4, 4 + size);
    this.rest = this.rest.subarray(4 + size);
    return frame;
  }
}

// One device and its connection. `session` and `firstSeq` continue a kept session; otherwise one is drawn.
class Device extends EventEmitter {
  constructor(options) {
    super();
    this.options = {maxItems: 10_000, length: false, resumeTimeoutMs: 60_000, ackTimeoutMs: 120_000, connectTimeoutMs: 30_000, minBackoffMs: 250,
      maxBackoffMs: 60_000, connect: net.connect, ...options};
    this.session = options.session ?? this.drawSession();
    this.first = options.firstSeq ?? 1;  // number of the oldest kept item
    this.items = [];  // texts without their last brace
    this.kept = options.session !== undefined;  // items added before start() may have been sent
    this.sentMax = this.first - 1;
    this.failures = 0;
    this.socket = null;
    this.timer = null;
    this.ackTimer = null;  // null: no ack is due
    this.running = false;
  }

  drawSession() {
    return randomBytes(12).toString('hex');
  }

  // Keeps one item, an object or its text. Returns false if the memory is full.
  add(item) {
    if (this.items.length >= this.options.maxItems) return false;
    const text = (typeof item === 'string' ? item : JSON.stringify(item)).trim().replace(/[\r\n]/g, ' ');
    if (!text.startsWith('{') || !text.endsWith('}')) throw new TypeError('an item is a JSON object');
    this.items.push(text.slice(0, -1));
    if (this.kept) this.sentMax = this.last();
    this.send();
    return true;
  }

  // Returns the number of items that no answer has covered.
  pending() {
    return this.items.length;
  }

  start() {
    this.running = true;
    this.kept = false;
    this.open();
  }

  // Ends the connection for good. The items stay.
  stop() {
    this.running = false;
    clearTimeout(this.timer);
    if (this.socket !== null) this.lose();
  }

  last() {
    return this.first + this.items.length - 1;
  }

  open() {
    this.next = null;  // number of the next item to send; null before the resume
    this.retryAt = null;  // the time of retry_after_ms
    this.gap = null;
    this.gaps = 0;
    const frames = new Frames(this.options.length);
    const socket = this.options.connect({host: this.options.host, port: this.options.port});
    this.socket = socket;
    this.timer = setTimeout(() => this.lose(), this.options.connectTimeoutMs);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 15_000);
    socket.on(socket.encrypted ? 'secureConnect' : 'connect', () => this.greet());
    socket.on('data', (data) => frames.take(data).forEach((frame) => socket === this.socket && this.take(frame)));
    socket.on('drain', () => socket === this.socket && this.send());
    socket.on('error', () => {});  // 'close' follows
    socket.on('end', () => socket === this.socket && this.lose());
    socket.on('close', () => socket === this.socket && this.lose());
  }

  greet() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lose(), this.options.resumeTimeoutMs);
    const hello = {id: this.options.id, session: this.session, from: this.first};
    if (this.options.token !== undefined) hello.token = this.options.token;
    this.socket.write(this.framed(JSON.stringify({hello})));
  }

  framed(text) {
    if (!this.options.length) return Buffer.from(text + '\n');
    const body = Buffer.from(text);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(body.length);
    return Buffer.concat([size, body]);
  }

  // Ends the connection, and opens the next one in its time. With `newSession`, another device has the same session.
  lose(newSession = false) {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.timer);
    this.expectAck(false);
    socket.destroy();
    const lasted = this.next !== null ? performance.now() - this.since : 0;
    if (lasted >= STABLE_MS) this.failures = 0;
    // Behind a notice: what the gateway said, but never at once.
    let wait = backoff(this.retryAt !== null ? 0 : this.failures++, this.options.minBackoffMs, this.options.maxBackoffMs);
    if (this.retryAt !== null) wait = Math.max(wait, this.retryAt - performance.now());
    if (newSession) [this.session, this.first, this.sentMax] = [this.drawSession(), 1, 0];
    if (this.running) this.timer = setTimeout(() => this.open(), Math.max(0, wait));
    this.emit('disconnected');
  }

  // Writes items as far as the socket takes them.
  send() {
    while (this.socket !== null && this.next !== null && this.retryAt === null && this.next <= this.last() &&
           !this.socket.writableNeedDrain) {
      const batch = [];
      for (let bytes = 0; bytes < BATCH_BYTES && this.next <= this.last(); ++this.next) {
        const text = this.items[this.next - this.first];
        batch.push(this.framed(`${text}${text.trim() === '{' ? '' : ','}"seq":${this.next}}`));
        bytes += batch.at(-1).length;
      }
      this.sentMax = Math.max(this.sentMax, this.next - 1);
      this.socket.write(Buffer.concat(batch));
      if (this.ackTimer === null) this.expectAck(true);
    }
  }

  // Ends the connection if no ack comes in time, since its path is lost then.
  expectAck(due) {
    clearTimeout(this.ackTimer);
    this.ackTimer = due ? setTimeout(() => this.lose(), this.options.ackTimeoutMs) : null;
  }

  take(frame) {
    let message = null;
    try {
      message = JSON.parse(frame.toString());
    } catch {
      return;
    }
    if (message === null || typeof message !== 'object' || Array.isArray(message)) return;
    const number = (name) => Number.isSafeInteger(message[name]) && message[name] >= 0 ? message[name] : null;
    const [resume, ack, nack, retry] = ['resume', 'ack', 'nack', 'retry_after_ms'].map(number);
    if (resume === null && ack === null && nack === null && retry === null) this.emit('message', message);
    if (resume !== null) this.resume(resume);
    else if (ack !== null && this.next !== null && this.release(ack)) this.gaps = 0;
    else if (nack !== null && this.next !== null) this.refuse(nack, message.reason, number('expected'));
    if (retry !== null && this.socket !== null) {
      this.retryAt = performance.now() + Math.min(retry, MAX_RETRY_AFTER_MS);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.lose(), this.retryAt - performance.now());
    }
    this.send();
  }

  resume(seq) {
    const again = this.next !== null;  // the gateway has replaced its process: items that no ack covers are lost there
    if (!this.release(seq)) return;
    this.next = this.first;
    if (again) return;
    clearTimeout(this.timer);
    this.since = performance.now();
  }

  // Drops the items up to `seq`. Returns false if that number was never sent.
  release(seq) {
    if (seq > this.sentMax) {
      this.lose(true);
      return false;
    }
    const count = Math.max(0, seq + 1 - this.first);
    this.items.splice(0, count);
    this.first += count;
    if (this.next !== null) this.next = Math.max(this.next, this.first);
    this.expectAck(this.next !== null && this.next > this.first);
    if (count > 0) this.emit('acked', seq);
    return true;
  }

  refuse(seq, reason, expected) {
    if (reason === 'gap') {
      this.gaps = expected === this.gap ? this.gaps + 1 : 1;
      this.gap = expected;
      if (expected !== null && expected > this.last() + 1) this.lose(true);
      else if (expected === null || expected < this.first || this.gaps > MAX_GAPS) this.lose();
      else this.next = Math.min(this.next, expected);
    } else if (reason === 'skipped') {
      if (seq >= this.first && seq <= this.last()) this.lose(true);  // no ack ever covers that item
    } else {
      this.emit('refused', seq, reason);
    }
  }
}

module.exports = {Device, backoff};

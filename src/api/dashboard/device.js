// One device's page: its state, its connections over time at all gateways, its bad items and its alarms.

import * as api from './api.js';
import {fillBad} from './bad.js';
import {byId, fillFacts, fillRows, make, say, visible} from './dom.js';
import {evidenceFacts, evidenceLine, generalFacts} from './facts.js';
import {clock, duration, gatewayNow, microseconds, milliseconds, number, when, words} from './format.js';
import {alarmPage, connectionPage} from './links.js';

const LIVES = 200;  // in the timeline
const ROWS = 20;    // in the table
const BAD = 10;

/** Returns the lives as [{gateway, from, to, kind, text, href}], with the open connection, which is the last. */
function spansOf(device) {
  const spans = device.lives.map((life) => ({
    gateway: life.gateway ?? '', from: Date.parse(life.at) - life.duration_s * 1000, to: Date.parse(life.at), kind: life.kind,
    text: `${life.reason}, ${when(life.at)} UTC, lived ${duration(life.duration_s)}`, href: connectionPage(life.conn, life.peer, true),
  }));
  if (device.state === 'online') {
    spans.push({gateway: device.gateway ?? '', from: Date.parse(device.connected_at), to: gatewayNow(), kind: 'open',
      text: `open since ${when(device.connected_at)} UTC`, href: connectionPage(device.conn, device.peer)});
  }
  return spans.sort((a, b) => a.to - b.to);  // a connect is known to a tenth of a second only
}

/** Fills the timeline: one line for each gateway, one bar for each connection. */
function fillTimeline(list, spans) {
  const start = Math.min(...spans.map((span) => span.from));
  const end = gatewayNow();
  const gateways = [...new Set(spans.map((span) => span.gateway))];
  const share = (time) => (100 * (time - start)) / Math.max(1, end - start);
  list.replaceChildren(...gateways.map((gateway) => {
    const track = make('span', {class: 'track'});
    for (const span of spans.filter((one) => one.gateway === gateway)) {
      const bar = make('a', {class: 'span', 'data-kind': span.kind, href: span.href, title: span.text, 'aria-label': span.text});
      bar.style.left = `${share(span.from)}%`;
      bar.style.width = `${Math.max(0, share(span.to) - share(span.from))}%`;
      track.append(bar);
    }
    return make('li', {}, make('span', {class: 'lane mono'}, visible(gateway) || 'this gateway'), track);
  }));
  say(byId('device-from'), spans.length ? `${when(start)} UTC` : '');
  say(byId('device-to'), spans.length ? `now, ${clock(end)} UTC` : '');
}

function cellsOf(life) {
  const evidence = evidenceLine(life);
  return [
    {text: when(life.at), title: life.at, class: 'mono'},
    {text: life.peer, href: connectionPage(life.conn, life.peer, true), title: life.peer, class: 'mono'},
    {text: life.gateway ? visible(life.gateway) : '–', class: 'mono'},
    {text: life.reason, kind: life.kind, title: evidence},
    {text: evidence, title: evidence, class: 'detail muted'},
    {text: life.evidence ? duration(life.duration_s) : '–', class: 'right wide'},
    {text: life.evidence ? number(life.items) : '–', class: 'right wide'},
  ];
}

const STATES = {online: ['open', 'online'], closed: ['gone', 'not connected'], unknown: ['suspect', 'not known']};

function sentence(device) {
  const last = device.lives[0];
  if (device.trouble) return visible(device.trouble);
  if (device.state === 'unknown') return `Its gateway ${visible(device.gateway ?? '')} has sent no beat lately: the state is not known.`;
  if (device.state === 'closed' && last) return `Not connected since ${when(last.at)} UTC: ${[last.reason, evidenceLine(last)].filter(Boolean).join(', ')}.`;
  return '';
}

export class DevicePage {
  #id = null;
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    byId('device-probe').addEventListener('click', () => this.#probe());
  }

  get id() { return this.#id; }

  get title() { return `device ${this.#id}`; }

  enter(id) {
    this.#id = id;
    say(byId('device-title'), visible(id));
    say(byId('device-state'), '');
    for (const part of ['device-facts', 'device-evidence', 'device-timeline', 'device-lives', 'device-bad-body', 'device-alarms']) byId(part).replaceChildren();
    this.#outcome('\u00a0', '');
    this.refresh();
  }

  leave() { this.#id = null; }

  async #fetch() {
    const id = this.#id;
    if (id === null) return;
    let device;
    try {
      device = await api.device(id, {limit: LIVES});
    } catch (error) {
      if (id === this.#id) this.#missing(error);
      return;
    }
    if (id !== this.#id) return;
    this.#show(device);
    this.#showBad(device.latest_bad_items ?? []);
    this.#showAlarms(device.alarms ?? []);
  }

  #missing(error) {
    const [kind] = STATES.unknown;
    byId('device-state').dataset.kind = kind;
    say(byId('device-state'), error.status === 404 ? 'unknown' : 'not known');
    this.#outcome(error.message, 'bad');
    byId('device-probe').disabled = true;
  }

  #show(device) {
    const [kind, text] = STATES[device.state] ?? STATES.unknown;
    const suspect = device.state === 'online' && device.suspect_since;
    byId('device-state').dataset.kind = suspect ? 'suspect' : kind;
    say(byId('device-state'), suspect ? 'online, suspect' : text);
    byId('device-probe').disabled = device.state !== 'online';
    say(byId('device-sentence'), sentence(device));
    const open = device.state === 'online' && device.conn !== undefined;
    byId('device-open').hidden = !open;
    if (open) {
      const facts = generalFacts(device).filter(([name]) => name !== 'Device');
      fillFacts(byId('device-facts'), [...(device.gateway ? [['Gateway', visible(device.gateway)]] : []), ['Peer', device.peer], ...facts]);
      fillFacts(byId('device-evidence'), device.evidence ? evidenceFacts(device.evidence, 'ago') : []);
      byId('device-connection').href = connectionPage(device.conn, device.peer);
    }
    fillTimeline(byId('device-timeline'), spansOf(device));
    fillRows(byId('device-lives'), device.lives.slice(0, ROWS), (life) => `${life.gateway ?? ''} ${life.conn}`, cellsOf);
    byId('device-lives-empty').hidden = device.lives.length > 0;
    const silent = device.silent_gateways ?? [];
    say(byId('device-lives-sum'), `${number(device.total)} closed connections known${device.total > ROWS ? `, the newest ${number(ROWS)} in the table` : ''}`
      + `${silent.length ? `; not known of ${silent.map(visible).join(', ')}, which did not answer` : ''}`);
  }

  #showBad(rows) {
    fillBad(byId('device-bad-body'), rows.slice(0, BAD));
    byId('device-bad-empty').hidden = rows.length > 0;
    say(byId('device-bad-empty'), 'No bad item of this device is among the latest ones of this gateway.');
  }

  #showAlarms(alarms) {
    byId('device-alarms').replaceChildren(...alarms.map((alarm) => make('li', {},
      make('a', {href: alarmPage(alarm.id)}, `${when(alarm.raised_at)} UTC, ${words(alarm.alarm)}`), ` ${visible(alarm.summary)} · `,
      `${alarm.reason ?? 'silent'} at ${when(alarm.at)} UTC`)));
    byId('device-alarms-empty').hidden = alarms.length > 0;
    say(byId('device-alarms-empty'), 'No alarm of this gateway is about this device.');
  }

  async #probe() {
    const id = this.#id;
    this.#outcome('Probing…', '');
    try {
      const answer = await api.probeDevice(id);
      if (id !== this.#id) return;
      const heard = `last heard ${milliseconds(answer.last_heard_ms)} ago`;
      if (answer.alive) this.#outcome(`Alive: answered after ${milliseconds(answer.waited_ms)}, ${heard}, round trip ${microseconds(answer.rtt_us)}.`, 'good');
      else this.#outcome(`Silent: no answer in ${milliseconds(answer.waited_ms)}, ${heard}.`, 'bad');
    } catch (error) {
      if (id === this.#id) this.#outcome(error.message, 'bad');
    }
  }

  #outcome(text, tone) {
    byId('device-outcome').dataset.tone = tone;
    say(byId('device-outcome'), text);
  }
}

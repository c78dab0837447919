// Alarms: the active ones, each with its explanation, and the former ones.

import * as api from './api.js';
import {byId, make, say, visible} from './dom.js';
import {ago, clock, duration, number, percent, when, words} from './format.js';
import {alarmPage, closedPage, connectionsPage} from './links.js';
import {bySize, kindOf, sum} from './reasons.js';

/** Returns the reasons with their shares of all that the alarm counts, as its summary has them. */
function reasonShares({reasons, count: counted}) {
  const all = Math.max(sum(reasons), counted);
  const rows = bySize(reasons).map(([reason, count]) => {
    const share = make('span', {});
    share.style.width = `${(100 * count) / all}%`;
    return make('li', {'data-kind': kindOf(reason)}, make('span', {class: 'reason'}, reason),
      make('span', {class: 'share', 'aria-hidden': 'true'}, share),
      make('span', {class: 'right'}, `${number(count)} · ${percent(count, all)}`));
  });
  return rows.length ? make('ul', {class: 'shares', 'aria-label': 'By reason'}, ...rows) : null;
}

/** Returns the address of the rows that a prefix of an alarm counts: suspects while it lasts, else closed ones. */
const deadPage = ({suspect_since: silent, cleared_at: over}, prefix) =>
  (silent && !over ? connectionsPage({peer: prefix, suspect: 'true'}) : closedPage({peer: prefix}));

function prefixTable(alarm) {
  const {prefixes, elsewhere, suspect_since: silent} = alarm;
  if (prefixes.length === 0) return null;
  const linked = (text, href, n) => (n > 0 ? make('a', {href}, text) : text);
  const rows = prefixes.map(({prefix, dead, alive}) => make('tr', {},
    make('td', {class: 'mono'}, make('a', {href: deadPage(alarm, prefix)}, prefix)),
    make('td', {class: 'right'}, linked(number(dead), deadPage(alarm, prefix), dead)),
    make('td', {class: 'right'}, linked(number(alive), connectionsPage({peer: prefix}), alive))));
  if (elsewhere > 0) rows.push(make('tr', {}, make('td', {}, 'elsewhere'), make('td', {class: 'right'}, number(elsewhere)), make('td', {})));
  return make('table', {class: 'prefixes'}, make('caption', {class: 'unseen'}, 'Closed connections by prefix'),
    make('thead', {}, make('tr', {}, make('th', {scope: 'col'}, 'Prefix'), make('th', {scope: 'col', class: 'right'}, silent ? 'silent' : 'closed'),
      make('th', {scope: 'col', class: 'right'}, silent ? 'others' : 'alive'))), make('tbody', {}, ...rows));
}

/** Returns the cause, the advice and the figures of an alarm, as elements. */
export function explanation(alarm) {
  const facts = [
    alarm.count > 0 && alarm.took_s > 0 && `${number(alarm.count)} in ${duration(alarm.took_s)}`,
    alarm.suspect_since && `${number(alarm.suspects)} suspect since ${when(alarm.suspect_since)} UTC, ${number(alarm.recovered)} answered again`,
    alarm.population_before > 0
      && `connections: ${number(alarm.population_before)} before, ${number(alarm.population_now)} ${alarm.cleared_at ? 'after' : 'now'}`,
  ].filter(Boolean);
  return [
    make('p', {class: 'cause'}, make('strong', {}, 'Likely cause: '), visible(alarm.cause)),
    make('p', {class: 'advice'}, make('strong', {}, 'What to do: '), visible(alarm.advice)),
    facts.length ? make('p', {class: 'muted'}, facts.join('; ')) : null, reasonShares(alarm), prefixTable(alarm),
  ].filter(Boolean);
}

export const place = (alarm) => (alarm.listener ? `listener ${visible(alarm.listener)}` : 'the gateway');

function activeCard(alarm) {
  const time = make('p', {class: 'muted'}, `${place(alarm)} · since ${when(alarm.raised_at)} UTC · `, make('span', {class: 'ago'}));
  return make('article', {class: 'alarm', 'data-id': alarm.id, 'aria-label': `${words(alarm.alarm)}, active`},
    make('p', {class: 'kind'}, words(alarm.alarm)), make('h3', {class: 'summary'}, make('a', {href: alarmPage(alarm.id)}, visible(alarm.summary))), time,
    ...explanation(alarm));
}

function recentEntry(alarm) {
  const lasted = duration((new Date(alarm.cleared_at) - new Date(alarm.raised_at)) / 1000);
  return make('details', {class: 'past', 'data-id': alarm.id},
    make('summary', {}, make('span', {class: 'muted'}, `${when(alarm.raised_at)} · ${words(alarm.alarm)} · over after ${lasted}`),
      make('span', {class: 'summary'}, visible(alarm.summary))),
    make('p', {class: 'muted'}, place(alarm), ' · ', make('a', {href: alarmPage(alarm.id)}, 'this alarm\u2019s page')), ...explanation(alarm));
}

/** Rebuilds only changed alarms: open and focused ones stay so. */
function fill(parent, alarms, build, nothing) {
  const known = new Map([...parent.children].map((child) => [child.dataset.told, child]));
  const children = alarms.map((alarm) => {
    const told = JSON.stringify(alarm);
    const child = known.get(told) ?? build(alarm);
    child.dataset.told = told;
    const old = [...parent.children].find((other) => other.dataset.id === child.dataset.id);
    if (old && old !== child && old.open) child.open = true;
    return child;
  });
  const wanted = children.length ? children : [known.get('') ?? make('p', {class: 'quiet', 'data-told': ''}, nothing)];
  if (wanted.length === parent.children.length && wanted.every((child, i) => child === parent.children[i])) return;
  const focus = focusIn(parent);
  parent.replaceChildren(...wanted);
  focus();
}

/** Returns the focus to the same link of the same alarm. */
function focusIn(parent) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const id = focused?.closest('[data-id]')?.dataset.id;
  return () => {
    if (!id) return;
    const again = parent.querySelector(`[data-id="${CSS.escape(id)}"]`);
    const same = [...(again?.querySelectorAll('a, summary') ?? [])].find((one) => one.textContent === focused.textContent);
    same?.focus({preventScroll: true});
  };
}

export class Alarms {
  #active = [];
  #unknown = '';  // why the alarms are not known now; empty: they are
  #gone = [];     // sentences about gateways of the fleet that are not heard
  onBoard = () => {};
  #known = null;  // ids of announced alarms
  #asked = 0;
  refresh = api.oneAtATime(() => this.#fetch());

  get activeCount() { return this.#active.length; }

  /** A sample of the live feed: updates the figures of active alarms, and detects missed alarms. */
  take(sample) {
    if (sample.alarms_active !== this.#active.length || (this.#active.length && Date.now() - this.#asked > 5000)) this.refresh();
    this.#age();
  }

  /** Marks the alarms as not known, with the reason; an empty text: they are known again. */
  doubt(reason) {
    this.#unknown = reason;
    this.#tell();
  }

  /** Takes sentences about gateways of the fleet that are silent or lost: their alarms and devices are not known. */
  setGone(sentences) {
    if (sentences.join() === this.#gone.join()) return;
    this.#gone = sentences;
    this.#tell();
  }

  /** Without an answer, no sentence says that nothing is wrong. */
  #tell() {
    const place = byId('alarms-unknown');
    const old = this.#unknown && this.#active.length ? ' The alarms below are of that time.' : '';
    const said = [this.#unknown + old, ...this.#gone].filter(Boolean);
    place.hidden = said.length === 0;
    say(place, said.join(' '));
    const quiet = document.querySelector('#alarms-active .quiet');
    if (quiet) {
      quiet.hidden = this.#unknown !== '';
      say(quiet, this.#gone.length ? 'No alarm is active at this gateway.' : 'No alarm is active.');
    }
    byId('alarms').classList.toggle('doubtful', said.length > 0);
  }

  async #fetch() {
    this.#asked = Date.now();
    let board;
    try {
      board = await api.alarms();
    } catch (error) {
      if (this.#unknown === '') this.doubt(`Not known since ${clock(this.#asked)} UTC: ${error.message}.`);
      return;
    }
    this.#unknown = '';
    this.onBoard(board);
    this.#announce(board.active);
    this.#active = board.active;
    fill(byId('alarms-active'), board.active, activeCard, 'No alarm is active.');
    this.#tell();
    fill(byId('alarms-recent'), board.recent, recentEntry, 'No alarm has been raised and cleared since the gateway started.');
    const count = byId('alarm-count');
    count.hidden = board.active.length === 0;
    say(count, number(board.active.length));
    byId('alarms').classList.toggle('active', board.active.length > 0);
    this.#age();
    document.dispatchEvent(new Event('titlechange'));
  }

  #announce(active) {
    const fresh = active.filter((alarm) => !this.#known?.has(alarm.id));
    if (fresh.length) say(byId('announce'), `Alarm, ${words(fresh[0].alarm)}: ${fresh[0].summary}`);
    this.#known = new Set(active.map((alarm) => alarm.id));
  }

  #age() {
    [...byId('alarms-active').querySelectorAll('.ago')].forEach((span, i) => {
      if (this.#active[i]) say(span, ago(this.#active[i].raised_at));
    });
  }
}

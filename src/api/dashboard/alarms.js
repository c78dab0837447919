// Alarms: the active ones, each with its explanation, and the former ones.

import * as api from './api.js';
import {byId, make, say, visible} from './dom.js';
import {ago, duration, number, percent, when, words} from './format.js';
import {bySize, kindOf, sum} from './reasons.js';

const prefixLink = (prefix, suspect) => make('a',
  {href: `#/connections?peer=${encodeURIComponent(prefix)}${suspect ? '&suspect=true' : ''}`}, prefix);

function reasonShares(reasons) {
  const all = sum(reasons);
  const rows = bySize(reasons).map(([reason, count]) => {
    const share = make('span', {});
    share.style.width = `${(100 * count) / all}%`;
    return make('li', {'data-kind': kindOf(reason)}, make('span', {class: 'reason'}, reason),
      make('span', {class: 'share', 'aria-hidden': 'true'}, share),
      make('span', {class: 'right'}, `${number(count)} · ${percent(count, all)}`));
  });
  return rows.length ? make('ul', {class: 'shares', 'aria-label': 'By reason'}, ...rows) : null;
}

function prefixTable({prefixes, elsewhere, suspect_since: silent, cleared_at: over}) {
  if (prefixes.length === 0) return null;
  const rows = prefixes.map(({prefix, dead, alive}) => make('tr', {}, make('td', {}, prefixLink(prefix, silent && !over)),
    make('td', {class: 'right'}, number(dead)), make('td', {class: 'right'}, number(alive))));
  if (elsewhere > 0) rows.push(make('tr', {}, make('td', {}, 'elsewhere'), make('td', {class: 'right'}, number(elsewhere)), make('td', {})));
  return make('table', {class: 'prefixes'}, make('caption', {class: 'unseen'}, 'Closed connections by prefix'),
    make('thead', {}, make('tr', {}, make('th', {scope: 'col'}, 'Prefix'), make('th', {scope: 'col', class: 'right'}, silent ? 'silent' : 'closed'),
      make('th', {scope: 'col', class: 'right'}, silent ? 'others' : 'alive'))), make('tbody', {}, ...rows));
}

function explanation(alarm) {
  const facts = [
    alarm.count > 0 && alarm.took_s > 0 && `${number(alarm.count)} in ${duration(alarm.took_s)}`,
    alarm.suspect_since && `${number(alarm.suspects)} suspect since ${when(alarm.suspect_since)} UTC, ${number(alarm.recovered)} answered again`,
    alarm.population_before > 0
      && `connections: ${number(alarm.population_before)} before, ${number(alarm.population_now)} ${alarm.cleared_at ? 'after' : 'now'}`,
  ].filter(Boolean);
  return [
    make('p', {class: 'cause'}, make('strong', {}, 'Likely cause: '), visible(alarm.cause)),
    make('p', {class: 'advice'}, make('strong', {}, 'What to do: '), visible(alarm.advice)),
    facts.length ? make('p', {class: 'muted'}, facts.join('; ')) : null, reasonShares(alarm.reasons), prefixTable(alarm),
  ].filter(Boolean);
}

const place = (alarm) => (alarm.listener ? `listener ${visible(alarm.listener)}` : 'the gateway');

function activeCard(alarm) {
  const time = make('p', {class: 'muted'}, `${place(alarm)} · since ${when(alarm.raised_at)} UTC · `, make('span', {class: 'ago'}));
  return make('article', {class: 'alarm', 'data-id': alarm.id, 'aria-label': `${words(alarm.alarm)}, active`},
    make('p', {class: 'kind'}, words(alarm.alarm)), make('h3', {class: 'summary'}, visible(alarm.summary)), time,
    ...explanation(alarm));
}

function recentEntry(alarm) {
  const lasted = duration((new Date(alarm.cleared_at) - new Date(alarm.raised_at)) / 1000);
  return make('details', {class: 'past', 'data-id': alarm.id},
    make('summary', {}, make('span', {class: 'muted'}, `${when(alarm.raised_at)} · ${words(alarm.alarm)} · over after ${lasted}`),
      make('span', {class: 'summary'}, visible(alarm.summary))),
    make('p', {class: 'muted'}, place(alarm)), ...explanation(alarm));
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
  #known = null;  // ids of announced alarms
  #asked = 0;
  refresh = api.oneAtATime(() => this.#fetch());

  get activeCount() { return this.#active.length; }

  /** A sample of the live feed: updates the figures of active alarms, and detects missed alarms. */
  take(sample) {
    if (sample.alarms_active !== this.#active.length || (this.#active.length && Date.now() - this.#asked > 5000)) this.refresh();
    this.#age();
  }

  async #fetch() {
    this.#asked = Date.now();
    let board;
    try {
      board = await api.alarms();
    } catch {
      return;  // the feed's state shows that the gateway is away
    }
    this.#announce(board.active);
    this.#active = board.active;
    fill(byId('alarms-active'), board.active, activeCard, 'No alarm is active.');
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

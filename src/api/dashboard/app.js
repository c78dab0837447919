// The dashboard: its parts, the live feed, and the address that selects the view.

import {AlarmPage} from './alarm_page.js';
import {Alarms} from './alarms.js';
import {BadItems} from './bad.js';
import {Connection} from './connection.js';
import {Connections} from './connections.js';
import {DevicePage} from './device.js';
import {byId, say} from './dom.js';
import {Ended} from './ended.js';
import {Fleet} from './fleet.js';
import {clock, duration, number, setGatewayTime} from './format.js';
import {Glance} from './glance.js';
import {Feed} from './live.js';
import {startLogin} from './login.js';
import {Population} from './population.js';
import {Prefixes} from './prefixes.js';
import {door, isLocked} from './token.js';

const TABLE_MS = 2000;  // minimum interval of the tables' requests during changes
const IDLE_MS = 5000;   // maximum interval, since ages and the kernel's evidence change by themselves

// Charts take their size and colours from the style sheet, for which modules do not wait.
if (document.readyState !== 'complete') await new Promise((done) => { addEventListener('load', done, {once: true}); });

// The legend of dygraphs writes style attributes, which the page's policy forbids: the page has a legend of its own.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

const feed = new Feed();
const glance = new Glance();
const population = new Population();
const alarms = new Alarms();
const prefixes = new Prefixes();
const connections = new Connections();
const ended = new Ended();
const fleet = new Fleet();
const bad = new BadItems();
const connection = new Connection();
const alarmPage = new AlarmPage();
const devicePage = new DevicePage();
// The pages of one thing, by the section of their address; at most one is shown, in place of the overview.
const pages = {connections: [connection, 'one'], alarms: [alarmPage, 'alarm-page'], devices: [devicePage, 'device-page']};
const shownPage = () => Object.values(pages).find(([page]) => page.id !== null)?.[0] ?? null;

// Requests and their intervals

let touched = true;  // a connection began or ended since the last request of the tables
let tablesAt = 0;

function refreshTables(now = Date.now()) {
  touched = false;
  tablesAt = now;
  glance.refresh();
  const page = shownPage();
  if (page) {
    page.refresh();
    return;
  }
  prefixes.refresh();
  connections.refresh();
  ended.refresh();
  bad.refresh();
  fleet.refresh();
}

function refreshAll() {
  population.refresh();
  alarms.refresh();
  refreshTables();
}

setInterval(() => {
  const now = Date.now();
  if (document.hidden || feed.state !== 'live') return;
  if (now - tablesAt >= (touched ? TABLE_MS : IDLE_MS)) refreshTables(now);
}, 500);

feed.addEventListener('sample', ({data}) => {
  const sample = JSON.parse(data);
  glance.take(sample);
  population.take(sample);
  alarms.take(sample);
  retitle();
});
feed.addEventListener('alarm', () => {
  alarms.refresh();
  if (alarmPage.id !== null) alarmPage.refresh();
});
feed.addEventListener('connected', () => { touched = true; });
feed.addEventListener('closed', ({data}) => {
  touched = true;
  connection.take(data);
});
feed.addEventListener('skipped', refreshAll);
feed.addEventListener('back', refreshAll);
feed.addEventListener('state', showFeed);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !isLocked()) refreshAll();
});

alarms.onBoard = ({active, recent}) => population.setAlarms([...active, ...recent]);
fleet.onGone = (sentences) => alarms.setGone(sentences);

glance.onStatus = (status) => {
  setGatewayTime(Date.parse(status.started_at) + 1000 * status.uptime_s);
  const names = status.listeners.map((one) => one.name);
  population.setListeners(names);
  connections.setListeners(names);
  ended.setReasons(Object.keys(status.closed));
  bad.setKinds(Object.keys(status.bad_items));
  fleet.take(status);
  say(byId('footer-version'), `holdfast ${status.version}, process ${status.pid}, up ${duration(Math.floor(status.uptime_s))}.`);
};

// The feed's state

function showFeed() {
  const lost = feed.state === 'lost';
  document.body.dataset.feed = feed.state;
  say(byId('feed-text'), {live: 'Live', lost: 'Lost', connecting: 'Connecting', locked: 'Locked'}[feed.state]);
  byId('lost').hidden = !lost;
  alarms.doubt(notKnown());
  if (lost) {
    say(byId('lost-text'), feed.heardAt === null ? 'The live feed is not connected. Retrying.'
      : `The live feed was lost at ${clock(feed.heardAt)} UTC. All figures are of that time. Retrying.`);
  }
  retitle();
}
/** Returns why the state of the gateway is not known; an empty text while the feed is live. */
function notKnown() {
  if (feed.state === 'live') return '';
  if (feed.heardAt !== null) return `Not known since ${clock(feed.heardAt)} UTC: the live feed is lost.`;
  return feed.state === 'lost' ? 'Not known: the gateway has not answered yet.' : '';
}

byId('retry').addEventListener('click', () => feed.tryNow());

function retitle() {
  const alarm = alarms.activeCount ? `(${alarms.activeCount}!) ` : '';
  const what = shownPage() ? shownPage().title
    : glance.connections === null ? '' : `${number(glance.connections)} connections`;
  const title = `${feed.state === 'lost' ? 'lost · ' : ''}${alarm}${what ? `${what} · ` : ''}holdfast`;
  if (document.title !== title) document.title = title;
}
document.addEventListener('titlechange', retitle);

// The address: #/, #/SECTION?search, #/prefixes/PREFIX, #/connections/ID?peer=PEER, #/alarms/ID, #/devices/ID

let toSearch = false;  // the next overview starts in the search

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;  // invalid percent-encoding: taken unchanged
  }
}

function route() {
  if (location.hash !== '' && !location.hash.startsWith('#/')) return;
  const [path, query] = location.hash.slice(2).split('?');
  const [section, id] = path.split('/').map(decoded);
  const parameters = new URLSearchParams(query);
  if (id && section in pages) showOne(section, id, parameters);
  else showOverview(section, parameters, id);
}

/** Shows one page, or with null the overview. */
function showOnly(section) {
  for (const [name, [page, element]] of Object.entries(pages)) {
    if (name !== section) page.leave();
    byId(element).hidden = name !== section;
  }
  byId('overview').hidden = section !== null;
}

function showOne(section, id, parameters) {
  showOnly(section);
  const [page, element] = pages[section];
  page.enter(id, parameters.get('peer'), parameters.has('ended'));
  scrollTo(0, 0);
  document.querySelector(`#${element} h2`).focus({preventScroll: true});
  retitle();
}

function showOverview(section, parameters, id) {
  const cameFrom = connection.id;
  showOnly(null);
  document.querySelector('.back a').href = '#/connections';
  if (!section || section === 'connections') connections.enter(parameters);
  if (!section || section === 'ended') ended.enter(parameters);
  if (!section || section === 'prefixes') prefixes.enter(id ?? '');
  if (!section || section === 'bad') bad.enter(parameters);
  refreshAll();
  retitle();
  const target = section && ['population', 'alarms', 'fleet', 'prefixes', 'connections', 'bad', 'ended'].includes(section) ? byId(section) : null;
  if (toSearch) search();
  else if (cameFrom) focusRow(cameFrom);
  else if (target) target.focus({preventScroll: true});
  keepInView(target);
}

let inView = null;  // the section that an address leads to, while the parts above it fill

/** Scrolls to a section, and again while answers arrive, until the user acts or 3 s have passed. */
function keepInView(section) {
  inView = section;
  section?.scrollIntoView({block: 'start'});
  setTimeout(() => {
    if (inView === section) inView = null;
  }, 3000);
}
new ResizeObserver(() => inView?.scrollIntoView({block: 'start'})).observe(byId('overview'));
for (const act of ['wheel', 'touchstart', 'pointerdown', 'keydown']) addEventListener(act, () => { inView = null; }, {passive: true});

function search() {
  toSearch = false;
  byId('filter-peer').focus();
  byId('filter-peer').select();
}

/** Focuses the row that led to the former page. */
function focusRow(id) {
  const row = document.querySelector(`#overview tr[data-key="${CSS.escape(id)}"] a`);
  (row ?? byId('connections')).focus({preventScroll: true});
}

addEventListener('hashchange', (event) => {
  // The link back from a connection's page leads to the search that found it.
  const before = new URL(event.oldURL).hash;
  route();
  if (connection.id !== null && before.startsWith('#/connections?')) document.querySelector('.back a').href = before;
});

// Keys

byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('main').focus();
});

addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || byId('confirm').open) return;
  if (event.target.closest('input, textarea, select')) return;
  event.preventDefault();
  if (shownPage() === null) {
    search();
  } else {
    toSearch = true;
    location.hash = '#/connections';
  }
});

door.addEventListener('opened', () => {
  feed.tryNow();
  refreshAll();
});
door.addEventListener('locked', () => feed.stop());

say(byId('host'), location.host);
startLogin();
route();
showFeed();
feed.start();

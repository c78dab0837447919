// Population over time: connections as a line, below it closes, accepts, items and bad items, on one axis of time.
// Alarms mark the time at which they were raised, and shade the time in which they were active.

import * as api from './api.js';
import {byId, make, say} from './dom.js';
import {clock, day, duration, gatewayNow, number, rate, shortClock, when, words} from './format.js';
import {Marks, underlayOf} from './marks.js';
import {bySize, colorOf, kindOf, kinds, reasons, sum} from './reasons.js';

const SECONDS = {'10m': 600, '1h': 3600, '6h': 21600, '2d': 172800};
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const BAR_PX = 5;  // the narrowest bar, with its gap
const stacked = [...reasons].reverse();  // dygraphs stacks from its last series upwards

/** Returns the finest step with distinct bars for so many visible seconds. */
function stepFor(window, seconds, width) {
  const enough = STEPS.find((step) => seconds / step <= width / BAR_PX) ?? STEPS.at(-1);
  return SECONDS[window] > SECONDS['1h'] ? Math.max(60, enough) : enough;
}

/** Draws stacked bars from the previous step to their own. The highest come first, so that lower ones cover them. */
function barPlotter(step) {
  return ({points, dygraph, drawingContext: canvas, color}) => {
    const zero = dygraph.toDomYCoord(0);
    canvas.fillStyle = color;
    for (const point of points) {
      if (!(point.yval > 0)) continue;
      const right = dygraph.toDomXCoord(point.xval);
      const left = dygraph.toDomXCoord(point.xval - step * 1000);
      const gap = right - left > 4 ? 1 : 0;
      canvas.fillRect(left, point.canvasy, Math.max(1, right - left - gap), zero - point.canvasy);
    }
  };
}

/** Draws the range of connections in each step behind the line, so that a dip within a step is visible. */
function rangePlotter(step) {
  return ({points, dygraph, drawingContext: canvas, plotArea, color}) => {
    canvas.save();
    canvas.fillStyle = color;
    canvas.globalAlpha = 0.25;
    for (const point of points) {
      const [top, bottom] = [point.y_top, point.y_bottom].map((share) => plotArea.y + plotArea.h * share).sort((a, b) => a - b);
      if (!(bottom - top >= 1)) continue;
      const right = dygraph.toDomXCoord(point.xval);
      const left = dygraph.toDomXCoord(point.xval - step * 1000);
      canvas.fillRect(left, top, Math.max(1, right - left), bottom - top);
    }
    canvas.restore();
  };
}

/** Returns a range from zero, so that the height of a fall is its share. */
const rangeFromZero = (values, least) => [0, Math.max(least, ...values) * 1.1];

function timeLabel(date, granularity, _, dygraph) {
  const [from, to] = dygraph.xAxisRange();
  if (to - from > 36 * 3600e3 && date.getUTCHours() === 0) return day(date);
  return to - from <= 5 * 60e3 ? clock(date) : shortClock(date);
}

const countLabel = (n) => (Number.isInteger(n) ? number(n) : '');

/** The charts of one figure each, below those of connections and closes. */
const FIGURES = [
  {name: 'accepted', color: '--accent', value: (point) => point.accepted, least: 4, label: countLabel},
  {name: 'items', color: '--good', value: (point, step) => point.items / step, least: 1, label: rate},
  {name: 'bad', color: '--bad', value: (point) => point.bad_items, least: 4, label: countLabel},
];

export class Population {
  #points = [];
  #samples = [];  // live samples since the last answer, as points of one step
  #step = 5;
  #window = '10m';
  #listener = '';
  #zoom = null;  // [from, to] in ms; null: the whole window
  #cursor = -1;  // row of the table of points
  #dragging = false;  // suspends updates of the chart
  #connections;
  #ended;
  #figures = [];  // [chart, figure] of FIGURES
  #marks = new Marks(byId('alarm-marks'));
  #refreshSoon = api.oneAtATime(() => this.#fetch());
  #fetchedAt = 0;

  constructor() {
    this.#make();
    byId('windows').addEventListener('change', (event) => this.#choose(event.target.value));
    byId('trend-listener').addEventListener('change', (event) => {
      this.#listener = event.target.value;
      this.#choose(this.#window);
    });
    byId('zoom-in').addEventListener('click', () => this.#zoomBy(0.5));
    byId('zoom-out').addEventListener('click', () => this.#zoomBy(2));
    byId('zoom-reset').addEventListener('click', () => this.#zoomTo(null));
    byId('charts').addEventListener('keydown', (event) => this.#key(event));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#dress());
    new ResizeObserver(() => {
      if (this.#fetchedAt > 0 && this.#wantedStep() !== this.#step) this.#refreshSoon();
    }).observe(byId('chart-ended'));
  }

  refresh() { return this.#refreshSoon(); }

  setListeners(names) {
    const select = byId('trend-listener');
    if (names.join('\n') === [...select.options].slice(1).map((o) => o.value).join('\n')) return;
    select.replaceChildren(make('option', {value: ''}, 'all'), ...names.map((name) => make('option', {value: name}, name)));
    select.value = names.includes(this.#listener) ? this.#listener : '';
  }

  /** Marks these alarms in the charts. */
  setAlarms(alarms) {
    if (this.#marks.set(alarms)) this.#draw();
  }

  /** Shows a sample of the live feed as the newest point until the next trend. */
  take(sample) {
    if (document.hidden) return;
    if (Date.now() - this.#fetchedAt >= Math.max(this.#step, 2) * 1000) {
      this.#refreshSoon();
    } else if (this.#listener === '') {
      this.#samples.push(sample);
      this.#draw();
    }
  }

  async #fetch() {
    const asked = `${this.#window} ${this.#listener}`;
    const first = this.#points.length === 0;
    let answer;
    try {
      answer = await api.trend({window: `${SECONDS[this.#window]}s`, step: `${this.#wantedStep()}s`, listener: this.#listener});
    } catch (error) {
      say(byId('readout-text'), error.message);
      return;
    }
    if (asked !== `${this.#window} ${this.#listener}`) return;  // another one was chosen during the request, and follows
    this.#fetchedAt = Date.now();
    this.#step = answer.step_s;
    this.#points = answer.points.map((point) => ({...point, time: Date.parse(point.at)}));
    this.#samples = this.#samples.filter((sample) => Date.parse(sample.at) > (this.#points.at(-1)?.time ?? 0));
    this.#draw();
    if (first && this.#wantedStep() < this.#step) this.#refreshSoon();
  }

  #wantedStep() {
    const known = this.#points.length ? (this.#points.at(-1).time - this.#points[0].time) / 1000 : Infinity;
    return stepFor(this.#window, Math.min(SECONDS[this.#window], known), Math.max(200, byId('chart-ended').clientWidth - 70));
  }

  #choose(window) {
    this.#window = window;
    this.#zoom = null;
    this.#cursor = -1;
    this.#points = [];
    this.#samples = [];
    this.#refreshSoon();
  }

  /** Returns the points to show: those of the trend, and the later samples as one more. */
  #all() {
    if (this.#samples.length === 0) return this.#points;
    const live = {fewest: Infinity, most: 0, accepted: 0, refused: 0, items: 0, bad_items: 0, closed: {}};
    for (const sample of this.#samples) {
      live.time = Date.parse(sample.at);
      live.connections = sample.connections;
      live.fewest = Math.min(live.fewest, sample.connections);
      live.most = Math.max(live.most, sample.connections);
      live.accepted += sample.accepted;
      live.items += sample.items;
      live.bad_items += sample.bad_items;
      for (const [reason, count] of Object.entries(sample.closed)) live.closed[reason] = (live.closed[reason] ?? 0) + count;
    }
    return [...this.#points, live];
  }

  // Drawing

  #make() {
    const shared = {
      labelsUTC: true, highlightCircleSize: 3, rightGap: 8, xRangePad: 0, legend: 'never',
      interactionModel: this.#mouse(), underlayCallback: underlayOf(this.#marks),
      highlightCallback: (_, x, points, row) => this.#pointAt(row),
      unhighlightCallback: () => this.#pointAt(-1),
      zoomCallback: (from, to) => this.#zoomTo([from, to]),
    };
    const time = {axisLabelFormatter: timeLabel, pixelsPerLabel: 76, axisLabelWidth: 70};
    const hidden = {...time, drawAxis: false};  // only the last chart has the labels of the shared axis
    const y = (label) => ({axisLabelWidth: 56, axisLabelFormatter: label, pixelsPerLabel: 26});
    const start = new Date();
    this.#connections = new Dygraph(byId('chart-connections'), [[start, [0, 0, 0]]], {
      ...shared, labels: ['time', 'connections'], customBars: true, strokeWidth: 1.75, axes: {x: hidden, y: y(countLabel)},
    });
    this.#ended = new Dygraph(byId('chart-ended'), [[start, ...stacked.map(() => 0)]], {
      ...shared, labels: ['time', ...stacked], stackedGraph: true, includeZero: true, highlightCircleSize: 0,
      axes: {x: hidden, y: y(countLabel)},
    });
    this.#figures = FIGURES.map((figure, i) => [new Dygraph(byId(`chart-${figure.name}`), [[start, 0]], {
      ...shared, labels: ['time', figure.name], highlightCircleSize: 0,
      axes: {x: i + 1 < FIGURES.length ? hidden : time, y: {...y(figure.label), pixelsPerLabel: 22}},
    }), figure]);
    this.#dress();
  }

  /** Dragging zooms, with Shift it pans; a double click shows the whole window. Touch scrolls the page: buttons
      zoom. */
  #mouse() {
    const {touchstart, touchmove, touchend, ...usual} = Dygraph.defaultInteractionModel;
    const mousedown = (event, chart, context) => {
      this.#dragging = true;
      usual.mousedown(event, chart, context);
      document.addEventListener('mouseup', () => {  // after the library's own
        this.#dragging = false;
        if (event.shiftKey || event.altKey) this.#zoomTo(chart.xAxisRange());
        else this.#draw();
      }, {once: true});
    };
    return {...usual, mousedown, dblclick: () => this.#zoomTo(null)};
  }

  /** Reads the colours when the scheme changes, since a canvas ignores style sheets. */
  #dress() {
    const style = getComputedStyle(document.documentElement);
    const lines = {gridLineColor: style.getPropertyValue('--line').trim(), axisLineColor: style.getPropertyValue('--edge').trim()};
    this.#connections.updateOptions({...lines, colors: [style.getPropertyValue('--accent').trim()]}, true);
    this.#ended.updateOptions({...lines, colors: stacked.map(colorOf)}, true);
    for (const [chart, {color}] of this.#figures) chart.updateOptions({...lines, colors: [style.getPropertyValue(color).trim()]}, true);
    this.#draw();
  }

  /** Returns the window; for a younger gateway, from its start. */
  #whole(points) {
    const end = points.at(-1)?.time ?? gatewayNow();
    const start = (points[0]?.time ?? end) - this.#step * 1000;
    return [Math.max(end - SECONDS[this.#window] * 1000, Math.min(start, end - 60e3)), end];
  }

  #draw() {
    if (this.#dragging) return;
    const points = this.#all();
    const dateWindow = this.#zoom ?? this.#whole(points);
    const end = points.at(-1)?.time ?? gatewayNow();
    const shown = points.filter((p) => p.time >= dateWindow[0] && p.time - this.#step * 1000 <= dateWindow[1]);
    this.#connections.updateOptions({
      dateWindow, valueRange: rangeFromZero(shown.map((p) => p.most), 10), plotter: [rangePlotter(this.#step), Dygraph.Plotters.linePlotter],
      file: points.length ? points.map((p) => [new Date(p.time), [p.fewest, p.connections, p.most]]) : [[new Date(end), [0, 0, 0]]],
    });
    this.#ended.updateOptions({
      dateWindow, valueRange: rangeFromZero(shown.map((p) => sum(p.closed)), 4), plotter: barPlotter(this.#step),
      file: points.length ? points.map((p) => [new Date(p.time), ...stacked.map((reason) => p.closed[reason] ?? 0)])
        : [[new Date(end), ...stacked.map(() => 0)]],
    });
    for (const [chart, {value, least}] of this.#figures) {
      chart.updateOptions({
        dateWindow, valueRange: rangeFromZero(shown.map((p) => value(p, this.#step)), least), plotter: barPlotter(this.#step),
        file: points.length ? points.map((p) => [new Date(p.time), value(p, this.#step)]) : [[new Date(end), 0]],
      });
    }
    this.#marks.place(this.#connections);
    for (const note of document.querySelectorAll('#charts .step')) say(note, `in steps of ${duration(this.#step)}`);
    byId('zoom-reset').disabled = this.#zoom === null;
    this.#tell(shown);
  }

  #tell(shown) {
    const closed = {};
    for (const point of shown) {
      for (const [reason, count] of Object.entries(point.closed)) closed[reason] = (closed[reason] ?? 0) + count;
    }
    fillLegend(closed);
    const latest = shown.at(-1);
    if (latest) {
      const least = Math.min(...shown.map((p) => p.fewest));
      const most = Math.max(...shown.map((p) => p.most));
      const ends = bySize(closed).map(([reason, count]) => `${number(count)} ${words(reason)}`).join(', ') || 'none';
      say(byId('charts-sum'), `From ${when(shown[0].time)} to ${when(latest.time)} UTC: ${number(latest.connections)} connections at the end, `
        + `fewest ${number(least)}, most ${number(most)}. Closed: ${ends}. Accepted: ${number(total(shown, 'accepted'))}. `
        + `Items: ${number(total(shown, 'items'))}, bad ones: ${number(total(shown, 'bad_items'))}. ${this.#marks.told(shown[0].time, latest.time)}`);
    } else {
      say(byId('charts-sum'), 'No data for this time.');
    }
    this.#read(this.#cursor);
  }

  // Cursor

  #pointAt(row) {
    this.#cursor = row;
    for (const chart of [this.#connections, this.#ended, ...this.#figures.map(([one]) => one)]) {
      if (row < 0) chart.clearSelection();
      else if (chart.getSelection() !== row) chart.setSelection(row);
    }
    this.#read(row);
  }

  /** Shows one line about the point under the cursor, or the newest one. */
  #read(row) {
    const points = this.#all();
    const point = points[row] ?? points.at(-1);
    if (!point) {
      say(byId('readout-text'), 'No data yet: the first sample arrives within seconds.');
      return;
    }
    const ends = bySize(point.closed).map(([reason, count]) => `${number(count)} ${reason}`).join(', ');
    const dip = point.fewest < point.connections || point.most > point.connections
      ? ` (${number(point.fewest)} to ${number(point.most)})` : '';
    const bad = point.bad_items ? ` and ${number(point.bad_items)} bad` : '';
    say(byId('readout-text'), `${when(point.time)}  ${number(point.connections)} connections${dip}, ${number(point.accepted)} accepted`
      + `${ends ? `, closed: ${ends}` : ', none closed'}, ${number(point.items)} items${bad}${this.#marks.at(point.time, this.#step)}`);
  }

  #key(event) {
    const points = this.#all();
    const at = this.#cursor < 0 ? points.length : this.#cursor;
    const moves = {ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: points.length - 1};
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in moves && points.length) {
      this.#pointAt(Math.min(points.length - 1, Math.max(0, moves[event.key])));
      say(byId('charts-spoken'), byId('readout-text').textContent);
    } else if (event.key === '+' || event.key === '=') {
      this.#zoomBy(0.5);
    } else if (event.key === '-') {
      this.#zoomBy(2);
    } else if (event.key === '0' || event.key === 'Escape') {
      this.#zoomTo(null);
      this.#pointAt(-1);
    } else {
      return;
    }
    event.preventDefault();
  }

  // Zooming

  /** Zooms around the cursor, or around the newest point. */
  #zoomBy(factor) {
    const points = this.#all();
    if (points.length === 0) return;
    const [from, to] = this.#connections.xAxisRange();
    const center = (points[this.#cursor] ?? points.at(-1)).time;
    const share = Math.min(1, Math.max(0, (center - from) / (to - from)));
    const span = Math.max((to - from) * factor, this.#step * 4000);
    this.#zoomTo([center - span * share, center + span * (1 - share)]);
  }

  #zoomTo(range) {
    const [start, end] = this.#whole(this.#all());
    const span = range ? Math.min(range[1] - range[0], end - start) : end - start;
    const from = range ? Math.min(Math.max(range[0], start), end - span) : start;
    this.#zoom = span < (end - start) * 0.99 ? [from, from + span] : null;
    this.#draw();
  }
}

const total = (points, name) => points.reduce((all, point) => all + point[name], 0);

function fillLegend(closed) {
  const legend = byId('legend');
  if (legend.children.length === 0) {
    legend.append(...kinds.map((kind) => make('li', {'data-kind': kind}, make('span', {class: 'swatch', 'aria-hidden': 'true'}),
      make('span', {}, kind), ' ', make('strong', {}, '0'))));
  }
  kinds.forEach((kind, i) => {
    const ofKind = Object.fromEntries(Object.entries(closed).filter(([reason]) => kindOf(reason) === kind));
    const item = legend.children[i];
    say(item.lastChild, number(sum(ofKind)));
    item.title = bySize(ofKind).map(([reason, count]) => `${number(count)} ${reason}`).join('\n');
    item.classList.toggle('none', sum(ofKind) === 0);
  });
}

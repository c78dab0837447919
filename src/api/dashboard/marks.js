// Marks of alarms in the charts: a line where an alarm was raised, and a shade while it was active. Above the charts, a
// link leads to each alarm's page.

import {make, say} from './dom.js';
import {when, words} from './format.js';
import {alarmPage} from './links.js';

const CLOSEST_PX = 18;  // marks that are closer share a link

export class Marks {
  #alarms = [];  // [{id, alarm, from, to}], oldest first; `to` is Infinity while the alarm is active
  #strip;

  constructor(strip) { this.#strip = strip; }

  /** Returns false if nothing has changed. */
  set(alarms) {
    const marks = alarms.map(({id, alarm, raised_at: raised, cleared_at: cleared}) => ({
      id, alarm, from: Date.parse(raised), to: cleared ? Date.parse(cleared) : Infinity,
    })).sort((a, b) => a.from - b.from);
    if (JSON.stringify(marks) === JSON.stringify(this.#alarms)) return false;
    this.#alarms = marks;
    return true;
  }

  /** Draws shades and lines below the data of a chart. */
  draw(canvas, area, dygraph) {
    canvas.save();
    canvas.fillStyle = canvas.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
    canvas.setLineDash([4, 3]);
    for (const {from, to} of this.#alarms) {
      const left = dygraph.toDomXCoord(from);
      const right = Math.min(area.x + area.w, to === Infinity ? area.x + area.w : dygraph.toDomXCoord(to));
      if (right < area.x || left > area.x + area.w) continue;
      const begin = Math.max(area.x, left);
      canvas.globalAlpha = 0.07;
      canvas.fillRect(begin, area.y, Math.max(1, right - begin), area.h);
      if (left < area.x) continue;
      canvas.globalAlpha = 1;
      canvas.beginPath();
      canvas.moveTo(Math.round(left) + 0.5, area.y);
      canvas.lineTo(Math.round(left) + 0.5, area.y + area.h);
      canvas.stroke();
    }
    canvas.restore();
  }

  /** Places the links above the chart. */
  place(dygraph) {
    const {x, w} = dygraph.getArea();
    const groups = [];
    for (const alarm of this.#alarms) {
      const at = dygraph.toDomXCoord(alarm.from);
      if (at < x || at > x + w) continue;
      const last = groups.at(-1);
      if (last && at - last.at < CLOSEST_PX) last.alarms.push(alarm);
      else groups.push({at, alarms: [alarm]});
    }
    while (this.#strip.children.length > groups.length) this.#strip.lastChild.remove();
    groups.forEach((group, i) => this.#fill(this.#strip.children[i] ?? this.#strip.appendChild(make('a', {class: 'mark'})), group));
  }

  #fill(link, {at, alarms}) {
    const newest = alarms.at(-1);
    const text = alarms.map(({alarm, from}) => `${words(alarm)}, raised at ${when(from)} UTC`).join('; ');
    link.style.left = `${at}px`;
    if (link.getAttribute('href') !== alarmPage(newest.id)) link.href = alarmPage(newest.id);
    if (link.title !== text) {
      link.title = text;
      link.setAttribute('aria-label', text);
    }
    link.classList.toggle('active', newest.to === Infinity);
    say(link, alarms.length > 1 ? String(alarms.length) : '!');
  }

  /** Returns the alarms that were active in a step that ends at `time`, for the line below the heading. */
  at(time, step) {
    const active = this.#alarms.filter(({from, to}) => from <= time && to > time - step * 1000);
    return active.length ? `; alarm: ${[...new Set(active.map(({alarm}) => words(alarm)))].join(', ')}` : '';
  }

  /** Returns a sentence about the alarms in a range, for a screen reader. */
  told(from, to) {
    const shown = this.#alarms.filter((alarm) => alarm.from >= from && alarm.from <= to);
    return shown.length ? `Alarms raised: ${shown.map(({alarm, from: at}) => `${words(alarm)} at ${when(at)}`).join(', ')}.` : 'No alarm was raised.';
  }
}

/** Returns the callback with which a chart draws the marks below its data. */
export const underlayOf = (marks) => (canvas, area, dygraph) => marks.draw(canvas, area, dygraph);

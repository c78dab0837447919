// One alarm's page: its explanation, the commands to act, its acknowledgement, and the connections that it is about.

import {explanation, place} from './alarms.js';
import * as api from './api.js';
import {byId, fillRows, make, say, visible} from './dom.js';
import {ago, number, percent, when, words} from './format.js';
import {connectionPage, devicePage} from './links.js';
import {kindOf} from './reasons.js';
import {download} from './token.js';

const ROWS = 50;

function cellsOf(member) {
  return [
    {text: member.id === null ? '–' : visible(member.id), href: member.id === null ? undefined : devicePage(member.id), class: 'mono'},
    {text: member.peer, href: connectionPage(member.conn, member.peer), class: 'mono'},
    {text: member.key === null ? '–' : visible(member.key), class: 'mono'},
    {text: when(member.at), title: member.at, class: 'mono'},
    {text: member.reason ?? 'silent', kind: member.reason ? kindOf(member.reason) : 'suspect'},
    {text: member.back ? 'back' : 'missing', kind: member.back ? 'open' : 'gone'},
  ];
}

/** Returns a command with a button that copies it. Without a secure context there is no clipboard: it is selected. */
function commandRow(command) {
  const code = make('code', {}, visible(command));
  const button = make('button', {type: 'button', 'aria-label': `Copy ${command}`}, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(command);
      say(button, 'Copied');
    } catch {
      getSelection().selectAllChildren(code);
      say(button, 'Selected');
    }
  });
  return make('li', {}, code, button);
}

export class AlarmPage {
  #id = null;
  #offset = 0;
  #shown = '';  // the answer that the page shows, without its members
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    byId('member-state').addEventListener('change', () => this.#turnTo(0));
    byId('member-previous').addEventListener('click', () => this.#turnTo(this.#offset - ROWS));
    byId('member-next').addEventListener('click', () => this.#turnTo(this.#offset + ROWS));
    byId('acknowledge').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#act(() => api.acknowledge(this.#id, byId('acknowledge-note').value.trim()), 'Acknowledged.');
    });
    byId('withdraw').addEventListener('click', () => this.#act(() => api.withdraw(this.#id), 'The acknowledgement is withdrawn.'));
    for (const format of ['csv', 'json']) {
      byId(`export-${format}`).addEventListener('click', (event) => {
        event.preventDefault();
        download(event.target.getAttribute('href'), `holdfast-alarm-${this.#id}.${format}`)
          .catch((error) => this.#outcome(error.message, 'bad'));
      });
    }
  }

  get id() { return this.#id; }

  get title() { return `alarm ${this.#id}`; }

  enter(id) {
    this.#id = id;
    this.#offset = 0;
    this.#shown = '';
    byId('member-state').value = '';
    byId('acknowledge-note').value = '';
    say(byId('alarm-title'), `Alarm ${id}`);
    for (const part of ['alarm-text', 'alarm-commands', 'member-body']) byId(part).replaceChildren();
    this.#outcome('\u00a0', '');
    this.refresh();
  }

  leave() { this.#id = null; }

  #turnTo(offset) {
    this.#offset = Math.max(0, offset);
    this.refresh();
  }

  async #fetch() {
    const id = this.#id;
    if (id === null) return;
    let alarm;
    try {
      alarm = await api.alarm(id, {state: byId('member-state').value, limit: ROWS, offset: this.#offset});
    } catch (error) {
      if (id === this.#id) this.#outcome(error.message, 'bad');
      return;
    }
    if (id !== this.#id) return;
    this.#show(alarm);
    this.#showMembers(alarm.members);
  }

  #show({members, ...alarm}) {
    const over = alarm.cleared_at !== null;
    say(byId('alarm-age'), over ? `raised ${when(alarm.raised_at)} UTC, over since ${when(alarm.cleared_at)} UTC`
      : `active since ${when(alarm.raised_at)} UTC, ${ago(alarm.raised_at)}`);
    const shown = JSON.stringify(alarm);
    if (shown === this.#shown) return;
    this.#shown = shown;
    say(byId('alarm-title'), words(alarm.alarm));
    byId('alarm-state').dataset.kind = over ? 'gone' : 'suspect';
    say(byId('alarm-state'), over ? 'over' : 'active');
    say(byId('alarm-place'), place(alarm));
    byId('alarm-text').replaceChildren(make('p', {class: 'summary'}, visible(alarm.summary)), ...explanation(alarm));
    byId('alarm-commands').replaceChildren(...alarm.commands.map(commandRow));
    byId('alarm-acting').hidden = alarm.commands.length === 0;
    this.#showNote(alarm.acknowledged);
    for (const format of ['csv', 'json']) byId(`export-${format}`).setAttribute('href', api.membersPath(alarm.id, format));
  }

  #showNote(acknowledged) {
    byId('acknowledge').hidden = acknowledged !== null;
    byId('acknowledged').hidden = acknowledged === null;
    if (acknowledged) say(byId('acknowledged-note'), `Acknowledged at ${when(acknowledged.at)} UTC: ${visible(acknowledged.note)}`);
  }

  #showMembers({total, listed, back, matching, rows}) {
    say(byId('member-sum'), total === 0 ? 'This alarm is not about single connections.'
      : `${number(total)} in all: ${number(back)} back (${percent(back, total)}), ${number(total - back)} missing`
        + `${listed < total ? `; ${number(listed)} of them are listed` : ''}`);
    byId('members').hidden = total === 0;
    byId('exports').hidden = total === 0;
    byId('member-meter').max = Math.max(1, total);
    byId('member-meter').value = back;
    fillRows(byId('member-body'), rows, (row) => row.conn, cellsOf);
    byId('member-empty').hidden = rows.length > 0;
    say(byId('member-empty'), byId('member-state').value === 'back' ? 'No device is back.' : 'No device is missing.');
    say(byId('member-range'), rows.length ? `${number(this.#offset + 1)} to ${number(this.#offset + rows.length)} of ${number(matching)}` : 'none');
    byId('member-previous').disabled = this.#offset === 0;
    byId('member-next').disabled = this.#offset + rows.length >= matching;
  }

  async #act(work, done) {
    try {
      await work();
      this.#outcome(done, 'good');
    } catch (error) {
      this.#outcome(error.message, 'bad');
    }
    this.refresh();
  }

  #outcome(text, tone) {
    byId('alarm-outcome').dataset.tone = tone;
    say(byId('alarm-outcome'), text);
  }
}

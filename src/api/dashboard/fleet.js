// The fleet: its gateways, and the gateway of each device. Only if this gateway is in one.

import * as api from './api.js';
import {byId, fillRows, make, say, visible} from './dom.js';
import {duration, gatewayNow, number, when} from './format.js';
import {devicePage} from './links.js';

// Maps a state to the colour of a kind of reason.
const kinds = {online: 'peer', stopped: 'local', closed: 'local', silent: 'policy', unknown: 'policy', lost: 'network'};

const isGone = ({state}) => state === 'silent' || state === 'lost';

const heardAt = (gateway) => when(gatewayNow() - gateway.quiet_s * 1000);

const goneSentence = (gateway) => `Gateway ${visible(gateway.name)} is ${gateway.state}: its alarms and devices are not known since `
  + `${heardAt(gateway)} UTC.`;

function cellsOf(gateway) {
  const name = visible(gateway.name) + (gateway.self ? ' (this one)' : '');
  return [
    {text: name, title: name},
    {text: gateway.state, kind: kinds[gateway.state] ?? 'local'},
    {text: isGone(gateway) ? `${number(gateway.devices)}, not known since ${heardAt(gateway)}` : number(gateway.devices), class: 'right'},
    {text: number(gateway.connections), class: 'right wide'},
    {text: `${duration(gateway.quiet_s)} ago`, class: 'right'},
    {text: gateway.since === null ? '–' : when(gateway.since), title: gateway.since ?? '', class: 'wide'},
  ];
}

function told(device) {
  const id = visible(device.id);
  const gateway = visible(device.gateway);
  if (device.state === 'online') return `${id} is online at ${gateway}, as ${device.conn} from ${device.peer}.`;
  if (device.state === 'unknown') return `${id} was at ${gateway}, which has sent no beat lately.`;
  return `${id} is not connected: it was at ${gateway} until ${device.closed_at}, ${device.reason ?? 'reason unknown'}.`;
}

export class Fleet {
  #wanted = '';
  #present = false;
  onGone = () => {};
  refresh = api.oneAtATime(() => this.#fetch());

  constructor() {
    byId('fleet-search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#wanted = byId('fleet-id').value;
      this.refresh();
    });
  }

  /** Shows the fleet if the gateway's status names one. */
  take(status) {
    const present = Boolean(status.fleet);
    if (present === this.#present) return;
    this.#present = present;
    byId('fleet').hidden = !present;
    byId('fleet-link').hidden = !present;
    if (present) this.refresh();
  }

  async #fetch() {
    if (!this.#present) return;
    try {
      const fleet = await api.fleet({id: this.#wanted, limit: this.#wanted ? 1 : 0});
      say(byId('fleet-trouble'), fleet.trouble ?? '');
      this.onGone(fleet.gateways.filter(isGone).map(goneSentence));
      fillRows(byId('fleet-body'), fleet.gateways, (gateway) => gateway.name, cellsOf);
      const devices = (gateways) => gateways.reduce((sum, gateway) => sum + gateway.devices, 0);
      const gone = fleet.gateways.filter(isGone);
      const heard = fleet.gateways.filter((gateway) => !isGone(gateway));
      say(byId('fleet-sum'), `${number(devices(heard))} devices on ${number(heard.length)} gateways`
        + `${gone.length ? `; not known: ${number(devices(gone))} on ${number(gone.length)} that ${gone.length === 1 ? 'is' : 'are'} not heard` : ''}`);
      this.#tell(fleet.devices[0]);
    } catch (error) {
      say(byId('fleet-trouble'), error.message);
      this.onGone([`The fleet is not known: ${error.message}.`]);
    }
  }

  #tell(device) {
    if (this.#wanted === '') return say(byId('fleet-found'), '\u00a0');
    if (device) byId('fleet-found').replaceChildren(make('a', {href: devicePage(device.id)}, told(device)));
    else say(byId('fleet-found'), `The device ${visible(this.#wanted)} is unknown to every gateway.`);
  }
}

// The alerts panel: what the project's alerts found, firing first, from /v1/alerts; with buttons for those who may acknowledge and silence.

import { $, el } from './dom.js';
import { Problem, read, request } from './api.js';
import * as format from './format.js';

const shownOver = 5; // of what is over
const severities = { info: 'i', warning: '!', critical: '✕' };

let looked = 0; // the latest look: an earlier one that comes later is dropped

// look asks for the alerts and shows them; timezone is the view's that is shown.
export async function look(timezone) {
  const mine = ++looked;
  try {
    const found = await read('v1/alerts?limit=200');
    if (mine === looked) draw(found, timezone);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (mine === looked && !$('alerts-panel').hidden) say(error.message);
  }
}

function draw({ rules, alerts, may_quiet: may }, timezone) {
  $('alerts-panel').hidden = rules.length === 0;
  const goesOn = alerts.filter(a => ['firing', 'pending', 'waiting'].includes(a.phase)), over = alerts.filter(a => !goesOn.includes(a));
  const firing = goesOn.filter(a => a.phase === 'firing').length;
  const held = document.activeElement?.dataset?.key; // the panel is drawn anew under whoever uses it by keyboard
  $('alerts').replaceChildren(
    el('p', { class: `verdict ${firing ? 'bad' : 'good'}` }, firing ? `${format.count(firing)} firing` : 'Nothing fires', ` of ${format.count(rules.length)} ${rules.length === 1 ? 'alert' : 'alerts'}`),
    el('ul', { class: 'alerts' }, ...[...goesOn, ...over.slice(0, shownOver)].map(a => entry(a, may, timezone))));
  if (held) document.querySelector(`#alerts [data-key="${CSS.escape(held)}"]`)?.focus();
}

function entry(a, may, timezone) {
  const labels = words(a.labels), quiet = a.silenced ? 'silenced' : '';
  return el('li', { class: a.phase },
    el('p', {}, el('span', { class: `severity ${a.severity}`, 'aria-hidden': 'true' }, severities[a.severity]), ` ${a.severity} · ${a.phase} · `, el('strong', {}, a.alert), labels ? ` ${labels}` : ''),
    el('small', {}, [a.bucket ? `since ${format.instant(a.since, timezone)}` : '', words(a.values ?? {}), a.reason, quiet].filter(Boolean).join('; ')),
    a.acknowledged ? el('small', {}, `acknowledged${a.acknowledged.by ? ` by ${a.acknowledged.by}` : ''}${a.acknowledged.comment ? `: ${a.acknowledged.comment}` : ''}`) : null,
    may && a.phase === 'firing' ? buttons(a, labels, timezone) : null);
}

function buttons(a, labels, timezone) {
  const button = (key, text, act) => el('button', { type: 'button', 'data-key': `${key} ${a.id}`, 'aria-label': `${text}: ${a.alert} ${labels}`, click: () => act() }, text);
  const post = async path => {
    try {
      await request(path, { method: 'POST' });
      await look(timezone);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      say(error.message);
    }
  };
  const values = Object.entries(a.labels);
  const named = values.every(([, value]) => value !== null);
  const labelled = values.map(([name, value]) => `&labels=${encodeURIComponent(`"${`${name}=${value}`.replaceAll('"', '""')}"`)}`).join(''); // quoted: one text of a list
  return el('p', { class: 'acts' },
    a.acknowledged ? null : button('acknowledge', 'Acknowledge', () => post(`v1/alerts/${encodeURIComponent(a.id)}/acknowledge`)),
    named && !a.silenced ? button('silence', 'Silence for 1 h', () => post(`v1/silences?alert=${encodeURIComponent(a.alert)}${labelled}&for=1h`)) : null);
}

const say = text => $('alerts').prepend(el('p', { class: 'verdict bad', role: 'alert' }, text));

const words = labels => Object.entries(labels).map(([name, value]) => `${name} ${value ?? 'null'}`).join(', ');

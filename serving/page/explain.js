// Explains one number: what batch and each epoch of the speed layer have in it, and what publishes changed of it.

import { $, el } from './dom.js';
import { hasToken, read } from './api.js';
import { line } from './changes.js';
import * as format from './format.js';

// open shows the explanation of a bucket (start in RFC 3339) and group of an answer; view is the catalogue's.
export async function open(view, meta, dimensions, time, group) {
  const query = new URLSearchParams({ at: time, grain: meta.grain });
  const unknown = dimensions.filter((_, i) => group[i] === null);
  dimensions.forEach((name, i) => { if (group[i] !== null) query.set(name, group[i]); });
  const path = `v1/views/${encodeURIComponent(view.name)}/explain?${query}`;
  const title = [format.bucket(Date.parse(time), meta.grain, meta.timezone), ...group.map(format.dimension)].join(' · ');
  const dialog = $('explanation');
  const close = el('button', { type: 'button', click: () => dialog.close() }, 'Close');
  const frame = (...body) => dialog.replaceChildren(el('h2', { id: 'explained' }, title), ...body, el('p', { class: 'together' }, close, hasToken() ? null : el('a', { href: path, target: '_blank', rel: 'noopener' }, 'as JSON')));
  frame(el('p', {}, 'Asking …'));
  if (!dialog.open) dialog.showModal();
  try {
    const told = await read(path);
    frame(unknown.length ? el('p', { class: 'remark' }, `Events without ${unknown.join(' and ')} cannot be asked for alone; this is about all values of it.`) : '', ...body(told, view));
  } catch (problem) {
    frame(el('p', { class: 'verdict bad' }, problem.message), el('p', {}, problem.suggestion ?? ''));
  }
}

function body(told, view) {
  const measures = view.measures.filter(measure => told.answer && measure.name in told.answer);
  return [
    el('p', { class: 'remark' }, told.note),
    el('dl', {}, ...measures.map(measure => el('div', {}, el('dt', {}, measure.name, measure.unit ? ` (${measure.unit})` : ''),
      el('dd', {}, format.number(told.answer[measure.name], measure.type), el('small', {}, format.certainty(told.origin, measure.name)))))),
    el('h3', {}, 'Who counted'),
    el('dl', {},
      el('div', {}, el('dt', {}, 'batch'), el('dd', {}, `${format.count(told.batch.events)} events`, el('small', {}, told.batch.snapshot ? `snapshot ${told.batch.snapshot}` : 'no snapshot yet'))),
      el('div', {}, el('dt', {}, 'speed layer'), el('dd', {}, `${format.count(told.speed.events)} events`,
        ...told.speed.epochs.map(epoch => el('small', {}, `partition ${epoch.partition}, from offset ${format.count(epoch.start)}: ${format.count(epoch.events)}`)))),
      el('div', {}, el('dt', {}, 'the seam'), el('dd', {}, ...told.partitions.map(p => el('small', {}, `partition ${p.partition}: batch below ${format.count(p.batch)}, live up to ${format.count(p.served)}`))))),
    el('h3', {}, 'What publishes changed'),
    told.changes.length ? el('ol', { class: 'ledger' }, ...told.changes.slice(0, 20).map(entry => line(entry, view))) : el('p', {}, 'Nothing, as far as ledgers are kept.'),
  ];
}

// The health panel: how far each layer is with the view that is shown, from /v1/status.

import { $, el } from './dom.js';
import * as format from './format.js';

// draw shows the status of a view; timezone is the view's.
export function draw(status, name, timezone) {
  const view = status.views.find(v => v.view === name);
  if (!view) return $('health').replaceChildren(el('p', {}, 'Nothing is known of this view.'));
  const facts = factsOf(view, status, timezone);
  const worst = facts.some(fact => fact.state === 'bad') ? 'bad' : facts.some(fact => fact.state === 'warn') ? 'warn' : 'good';
  const verdict = { good: 'Both layers serve', warn: 'Served, with a remark', bad: 'A layer is not whole' }[worst];
  $('health').replaceChildren(el('p', { class: `verdict ${worst}` }, icon(worst), ' ', verdict),
    el('dl', {}, ...facts.map(({ term, text, state, why }) => el('div', { class: state }, el('dt', {}, term),
      el('dd', {}, state === 'good' ? null : icon(state), state === 'good' ? null : ' ', text, why ? el('small', {}, why) : null)))));
}

const icon = state => el('span', { class: `icon ${state}`, role: 'img', 'aria-label': { good: 'good', warn: 'to note', bad: 'at fault' }[state] }, { good: '✓', warn: '!', bad: '✕' }[state]);

function factsOf(view, status, timezone) {
  const { lag, partitions } = view;
  const sum = field => partitions.reduce((total, p) => total + p[field], 0);
  const ill = partitions.filter(p => !p.healthy);
  const behind = partitions.every(p => p.behind_seconds !== null) ? Math.max(0, ...partitions.map(p => p.behind_seconds)) : null;
  const asked = status.batch_asked.filter(ask => !ask.view || ask.view === view.view);
  const facts = [
    { term: 'Speed layer', ...(ill.length ? { text: `${format.count(ill.length)} of ${format.count(partitions.length)} partitions not whole`, state: 'bad', why: ill[0].reason } : { text: `${format.count(partitions.length)} partitions whole` }) },
    { term: 'Freshness', text: behind === null ? 'not known' : behind === 0 ? 'up to date' : `${format.age(behind)} behind`, state: behind === null || behind > 60 ? 'warn' : 'good' },
    { term: 'Lag', text: lag.speed === null ? 'not known' : `${format.count(lag.speed)} records`, why: lag.archive ? `${format.count(lag.archive)} not in the lake yet` : '' },
    { term: 'Watermark', text: format.instant(view.watermark, timezone), why: 'earlier events would be late' },
    { term: 'Last batch', text: view.sequence > 0 ? format.instant(view.published, timezone) : 'none yet', state: view.sequence > 0 ? 'good' : 'warn', why: view.sequence > 0 ? view.snapshot : '' },
    { term: 'Dead letters', text: format.count(sum('dead_letters')), state: sum('dead_letters') ? 'warn' : 'good' },
    { term: 'Late events', text: format.count(sum('late')), why: 'since the last cut' },
  ];
  if (view.error) facts.unshift({ term: 'Fault', text: view.error, state: 'bad' });
  if (asked.length) facts.push({ term: 'Batch asked for', text: asked[0].reason || asked[0].cause, state: 'warn' });
  return facts.map(fact => ({ state: 'good', ...fact }));
}

// lost says that the status cannot be had.
export function lost(problem) {
  $('health').replaceChildren(el('p', { class: 'verdict bad' }, icon('bad'), ' ', problem.message), el('p', {}, problem.suggestion));
}

// The figures: a panel for each measure with its number for the whole range, and its chart.

import { $, el } from './dom.js';
import * as chart from './chart.js';
import * as cursor from './cursor.js';
import * as format from './format.js';
import * as ranks from './ranks.js';
import { mostGroups, sample } from './marks.js';
import { arrange } from './series.js';
import { charted, windowOf } from './question.js';
import { isLive } from './answer.js';

// figures keeps what is drawn, so that the next answer can be compared with it. explain(time, group) opens an explanation, narrow(group)
// filters by a group.
export function figures({ explain, narrow }) {
  let shown = null, drawnLegend = '';
  const cursors = new Map();

  // draw shows an answer: {answer, question, view, groups, left, totals}, where left groups have no place in the chart, and totals is the answer over
  // the whole range, or null as long as it is not known. fresh holds the keys of rows that have just come to rest on batch.
  function draw(next, fresh = new Set()) {
    shown = next;
    const { answer, question, view, groups } = next;
    const measures = view.measures.filter(measure => question.measures.includes(measure.name));
    $('title').textContent = titleOf(measures, question, windowOf(question, view));
    $('description').textContent = measures.length === 1 && measures[0].description || view.description || '';
    const held = $('panels').contains(document.activeElement) ? document.activeElement.dataset.measure : null;
    $('panels').replaceChildren(...measures.map(measure => panel(measure, next, fresh)));
    $('panels').classList.toggle('several', measures.length > 1);
    for (const holder of $('panels').querySelectorAll('.chart')) drawInto(holder, fresh);
    if (held !== null) [...$('panels').querySelectorAll('.chart')].find(holder => holder.dataset.measure === held)?.focus();
    legend(groups, next, answer);
  }

  function panel(measure, { answer, question, totals, view }, fresh) {
    const head = el('div', { class: 'panel-head' }, el('h3', {}, measure.name), charted(measure) ? headline(measure, totals) : null);
    if (!answer.rows.length) return el('div', { class: 'panel' }, head, el('p', { class: 'empty' }, 'No event matches.'));
    if (!charted(measure)) return el('div', { class: 'panel' }, head, el('p', { class: 'empty' }, 'Its values are lists or texts: see the table.'));
    if (windowOf(question, view)?.kind === 'session') return el('div', { class: 'panel' }, head, el('p', { class: 'empty' }, 'Sessions begin and end at any time: see the table.'));
    if (!question.grain) return el('div', { class: 'panel' }, head, question.dimensions.length ? ranks.draw(answer, measure, fresh) : null);
    const holder = el('div', { class: 'chart', tabindex: 0, role: 'application', 'aria-roledescription': 'chart', 'aria-label': `${measure.name} over time`, 'aria-describedby': 'keys', 'data-measure': measure.name, 'data-view': view.name });
    return el('div', { class: 'panel' }, head, holder);
  }

  function drawInto(holder, fresh) {
    const { answer, question, view, groups } = shown;
    const measure = view.measures.find(m => m.name === holder.dataset.measure);
    const amount = /^(sum|count)/.test(measure.aggregation); // it is 0 where there is no event, and stands on 0 as a bar does
    const arranged = arrange(answer, measure.name, groups.slice(0, mostGroups), amount);
    const bars = arranged.series.length === 1 && amount;
    const { meta } = answer, several = question.measures.length > 1;
    const height = innerWidth < 640 ? 220 : several ? 230 : 330;
    const says = i => format.bucket(arranged.times[i], meta.grain, meta.timezone);
    const drawn = chart.draw(arranged, { width: Math.max(240, holder.clientWidth), height, timezone: meta.timezone, bars, fresh, label: summary(arranged, measure, says) });
    const position = cursors.get(measure.name)?.();
    const kept = document.activeElement === holder || holder.matches(':hover') || position?.bucket >= 0 ? position : null;
    holder.replaceChildren(drawn.element);
    cursors.set(measure.name, cursor.attach(holder, drawn, arranged, {
      measure, says, snapshot: answer.provenance.snapshot, live: $('spoken'), kept: kept?.bucket >= 0 ? kept : null,
      explain: (i, group) => explain(answer.rows.find(row => Date.parse(row.values.time) === arranged.times[i]).values.time, group),
    }));
  }

  // legend names the groups, and key what solid and dashed mean. What is the same as before is left alone, so that nobody loses the focus to an update.
  function legend(groups, { question, view, left }, answer) {
    const named = question.dimensions.length && question.grain && windowOf(question, view)?.kind !== 'session' ? groups.slice(0, mostGroups) : [];
    const live = answer.rows.some(row => isLive(row.origin));
    const wanted = JSON.stringify([named, left]);
    if (drawnLegend !== wanted) {
      drawnLegend = wanted;
      $('legend').replaceChildren(...named.map((group, i) => el('li', {},
        el('button', { type: 'button', title: 'show this one only', click: () => narrow(group) }, sample(i, 'batch'), group.map(format.dimension).join(' · ')))),
      left > 0 ? el('li', { class: 'aside' }, `the largest ${format.count(groups.length)}; ${format.count(left)} more`) : '');
    }
    $('key').replaceChildren(...live ? [el('li', {}, sample(0, 'batch plain'), 'batch, solid'), el('li', {}, sample(0, 'live plain'), 'live, dashed')] : [],
      ...answer.meta.compare ? [el('li', {}, sample(0, 'before plain'), `${answer.meta.compare.period} before, fainter`)] : []);
  }

  const redraw = () => { if (shown) for (const holder of $('panels').querySelectorAll('.chart')) drawInto(holder, new Set()); };
  new ResizeObserver(redraw).observe($('panels'));
  return { draw };
}

// headline is the number of the whole range; it keeps its place until it is known.
function headline(measure, totals) {
  if (!totals) return el('p', { class: 'headline', 'aria-hidden': 'true' }, el('b', {}, '…'));
  const [row] = totals.rows;
  if (!row) return null;
  const value = row.values[measure.name];
  return el('p', { class: `headline${isLive(row.origin) ? ' live' : ''}` }, el('b', { title: format.number(value, measure.type) }, format.headline(value)),
    measure.unit ? el('span', { class: 'unit' }, measure.unit) : null, el('small', {}, totals.provenance.partial ? 'partial' : format.certainty(row.origin, measure.name)));
}

function titleOf(measures, question, window) {
  const list = new Intl.ListFormat('en', { type: 'conjunction' });
  return list.format(measures.map(measure => measure.name.replaceAll('_', ' '))) + (question.dimensions.length ? ` by ${list.format(question.dimensions)}` : '') + (window ? ` in ${window.name.replaceAll('_', ' ')}` : question.grain ? ` per ${format.grain(question.grain)}` : '');
}

// summary is the chart in a sentence, for those who do not see it.
function summary({ times, series, seam }, measure, says) {
  const groups = series.length > 1 ? `${series.length} groups, ` : '';
  const live = seam < 0 ? 'all from batch' : seam === 0 ? 'all live' : `live from ${says(seam)} on`;
  return `${measure.name}: ${groups}${format.count(times.length)} buckets from ${says(0)} to ${says(times.length - 1)}, ${live}. The table below holds the same numbers.`;
}

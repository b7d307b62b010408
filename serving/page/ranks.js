// Where the range is one bucket there is no time to draw along: each group is a bar of its own, the largest first.

import { el, svg } from './dom.js';
import * as format from './format.js';
import { isLive } from './answer.js';

// draw makes a list of one measure, read from left to right: name, bar, value. Bars are dashed where live events are in them.
export function draw(answer, measure, fresh) {
  const rows = answer.rows.filter(row => row.values[measure.name] !== null).map(row => ({ ...row, size: Number(row.values[measure.name]) })).sort((a, b) => b.size - a.size);
  const largest = Math.max(...rows.map(row => Math.abs(row.size)), 0) || 1;
  return el('ol', { class: 'ranks' }, ...rows.map(row => el('li', { title: `${format.source(row.origin)} · ${format.certainty(row.origin, measure.name)}` },
    el('span', { class: 'rank-name' }, answer.dimensions.length ? answer.dimensions.map(name => format.dimension(row.values[name])).join(' · ') : 'whole range'),
    bar(Math.abs(row.size) / largest, isLive(row.origin), fresh.has(row.key)),
    el('span', { class: 'rank-value' }, format.number(row.values[measure.name], measure.type)))));
}

function bar(share, live, landed) {
  return svg('svg', { class: 'rank-bar c0', height: 18, 'aria-hidden': 'true' },
    svg('rect', { class: `mark ${live ? 'live' : 'batch'}${landed ? ' landed' : ''}`, x: 1, y: 1, height: 16, width: `${(share * 99).toFixed(2)}%` }));
}

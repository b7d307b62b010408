// A chart of one measure over time: axes, marks, the seam. Everything is SVG, so that the page's style sheet colours it.

import { svg } from './dom.js';
import { compact } from './format.js';
import * as marks from './marks.js';
import * as scale from './scale.js';

const top = 30, bottom = 26; // px: the seam's label, the names of times

// draw makes {element, frame} of an arrangement (series.js). With bars a single series stands as bars. frame says where things are, for the
// cursor: {left, top, width, height, x, y}.
export function draw(arranged, { width, height, timezone, bars, fresh, label }) {
  const { times, step, series, seam } = arranged;
  const inner = height - top - bottom;
  const vertical = scale.values(series.flatMap(s => [...s.points.filter(Boolean).map(p => p.value), ...s.before.filter(value => value !== null)]), inner, inner / 46);
  const names = vertical.ticks.map(compact);
  const left = Math.ceil(Math.max(...names.map(name => name.length)) * 7.4) + 12;
  const named = series.length > 1 && width >= 560;
  const right = named ? Math.min(150, Math.max(...series.map(s => s.name.length)) * 7 + 22) : 6;
  const x = scale.times(times, step, width - left - right);
  const y = value => inner - vertical.at(value);
  const before = series.map((s, n) => marks.before(s, n, x, y, times, step));
  const drawn = series.map((s, n) => bars ? marks.bars(s, x, y, y(0), fresh) : marks.line(s, n, x, y, times, step, fresh));
  const element = svg('svg', { class: 'plot', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    svg('g', { transform: `translate(${left} ${top})` },
      seamShade(arranged, x, width - left - right, inner),
      ...vertical.ticks.map((tick, i) => axisLine(y(tick), width - left - right, names[i])),
      ...scale.timeTicks(times, timezone, Math.max(2, Math.floor((width - left - right) / 78))).map(([i, text]) => timeName(x.middle(i), inner, text, width - left - right)),
      ...before, ...drawn,
      seamLine(seam, x, width - left - right, inner),
      ...(named ? endNames(series, x, y, inner) : [])));
  return { element, frame: { left, top, width: width - left - right, height: inner, x, y } };
}

const axisLine = (y, width, name) => svg('g', { class: 'tick' },
  svg('line', { x1: 0, x2: width, y1: y, y2: y }), svg('text', { x: -8, y: y + 4, 'text-anchor': 'end' }, name));

function timeName(x, y, text, width) {
  const anchor = x < 30 ? 'start' : x > width - 30 ? 'end' : 'middle';
  return svg('text', { class: 'time', x: anchor === 'start' ? Math.max(0, x - 8) : anchor === 'end' ? width : x, y: y + 19, 'text-anchor': anchor }, text);
}

// seamShade tints the live side.
function seamShade({ seam }, x, width, height) {
  if (seam < 0) return null;
  const from = x.from(seam);
  return svg('rect', { class: 'seam-shade', x: from, y: 0, width: Math.max(0, width - from), height });
}

// seamLine is where batch ends and live begins, with both names beside it; where there is little room on the live side, the line stands below
// the names.
function seamLine(seam, x, width, height) {
  if (seam < 0) return null;
  const at = x.from(seam), tight = width - at < 38, above = tight ? -4 : -24;
  const live = svg('text', tight ? { x: width, y: -12, 'text-anchor': 'end' } : { x: at + 8, y: -12 }, 'live');
  const batch = at < 48 ? null : svg('text', { x: tight ? Math.min(at - 8, width - 34) : at - 8, y: -12, 'text-anchor': 'end' }, 'batch');
  return svg('g', { class: 'seam', 'data-index': seam },
    svg('line', { x1: at, x2: at, y1: above, y2: height }), svg('path', { d: `M${at - 4} ${above}h8l-4 6Z` }), batch, live);
}

// endNames names each line at its end, pushed apart where they would overlap.
function endNames(series, x, y, height) {
  const ends = series.map((s, number) => {
    const last = s.points.findLastIndex(Boolean);
    return last < 0 ? null : { number, text: s.name, x: x.middle(s.points.length - 1) + x.width / 2 + 8, y: y(s.points[last].value) };
  }).filter(Boolean).sort((a, b) => a.y - b.y);
  for (let i = 1; i < ends.length; i++) ends[i].y = Math.max(ends[i].y, ends[i - 1].y + 15);
  const over = ends.length ? ends.at(-1).y - height : 0;
  if (over > 0) for (let i = ends.length - 1, limit = height; i >= 0; i--, limit -= 15) ends[i].y = Math.min(ends[i].y, limit);
  return ends.map(end => svg('text', { class: `end c${end.number}`, x: end.x, y: end.y + 4 }, end.text.length > 18 ? end.text.slice(0, 17) + '…' : end.text));
}

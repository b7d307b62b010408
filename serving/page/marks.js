// The marks of a chart. What batch computed is solid; what has live events in it is dashed and hollow. Each group has a colour, told apart by
// those who see fewer colours too, and a shape.

import { svg } from './dom.js';

export const mostGroups = 6; // there are so many colours and shapes

const shapes = [
  r => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  r => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  r => `M0 ${-1.2 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  r => `M0 ${-1.4 * r}L${1.4 * r} 0L0 ${1.4 * r}L${-1.4 * r} 0Z`,
  r => `M0 ${1.2 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
  r => `M${-r} ${-r}L${r} ${r}M${r} ${-r}L${-r} ${r}`,
];

const state = live => live ? 'live' : 'batch';

// bars draws a series as bars over a base line; fresh holds the keys of rows that were live a moment ago.
export function bars(series, x, y, base, fresh) {
  const gap = x.width >= 5 ? Math.min(4, x.width * 0.22) : 0;
  return svg('g', { class: `bars c0${gap ? '' : ' thin'}` }, ...series.points.map((point, i) => {
    if (!point) return null;
    const top = y(Math.max(point.value, 0)), bottom = y(Math.min(point.value, 0));
    return svg('rect', {
      class: `mark ${state(point.live)}${fresh.has(point.key) ? ' landed' : ''}`, 'data-index': i,
      x: (x.from(i) + gap / 2).toFixed(2), width: Math.max(1, x.width - gap).toFixed(2), y: top.toFixed(2), height: Math.max(point.value === 0 ? 0 : 1, bottom - top).toFixed(2),
    });
  }), svg('line', { class: 'base', x1: 0, x2: x.from(series.points.length - 1) + x.width, y1: base, y2: base }));
}

// line draws a series as a line: each piece between two buckets is solid where both are batch's, dashed otherwise, and there is none across
// buckets that are missing. Points are marked where there is room for them, and the last one always.
export function line(series, number, x, y, times, step, fresh) {
  const paths = { batch: '', live: '' }, points = [];
  let before = -1;
  series.points.forEach((point, i) => {
    if (!point) return;
    if (before >= 0 && times[i] - times[before] < 1.5 * step + 6.048e8 * (step > 2e9)) {
      const kind = state(point.live || series.points[before].live);
      paths[kind] += `M${x.middle(before).toFixed(2)} ${y(series.points[before].value).toFixed(2)}L${x.middle(i).toFixed(2)} ${y(point.value).toFixed(2)}`;
    }
    before = i;
    points.push(i);
  });
  const shown = x.width >= 11 ? points : points.slice(-1);
  return svg('g', { class: `line c${number}` },
    ...['batch', 'live'].filter(kind => paths[kind]).map(kind => svg('path', { class: `stroke ${kind}`, d: paths[kind] })),
    ...shown.map(i => {
      const point = series.points[i];
      const mark = shape(number, 3.6, `mark ${state(point.live)}${fresh.has(point.key) ? ' landed' : ''}`);
      mark.setAttribute('transform', `translate(${x.middle(i).toFixed(2)} ${y(point.value).toFixed(2)})`);
      mark.setAttribute('data-index', i);
      return mark;
    }));
}

// before draws what a series is compared with: a fainter line, under it. None where nothing is compared.
export function before(series, number, x, y, times, step) {
  let path = '', last = -1;
  series.before.forEach((value, i) => {
    if (value === null) return;
    const joined = last >= 0 && times[i] - times[last] < 1.5 * step + 6.048e8 * (step > 2e9);
    path += `${joined ? 'L' : 'M'}${x.middle(i).toFixed(2)} ${y(value).toFixed(2)}`;
    last = i;
  });
  return path ? svg('g', { class: `before c${number}` }, svg('path', { class: 'stroke', d: path })) : null;
}

// shape is the mark of a group.
const shape = (number, radius, kind) => svg('path', { class: kind, d: shapes[number](radius) });

// sample is a mark for a legend.
export function sample(number, kind) {
  return svg('svg', { class: `sample c${number}`, width: 30, height: 12, viewBox: '0 0 30 12', 'aria-hidden': 'true' },
    svg('path', { class: `stroke ${kind}`, d: 'M1 6H29' }), wrap(shape(number, 3.6, `mark ${kind}`)));
}

const wrap = mark => svg('g', { transform: 'translate(15 6)' }, mark);

import { describe, expect, it } from 'vitest';
import { AlertBook, type Finding } from '../../../src/admin/alert-book.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const paused: Finding = { code: 'connector-paused:cloud', severity: 'error', problem: 'cloud is paused', remedy: 'resume it' };
const warning: Finding = { severity: 'warning', problem: 'site 1 does not answer since 2026-11-22T10:00:00.000Z', remedy: null };

const book = (known = {}) => new AlertBook(known, 0);
const states = (notices: ReturnType<AlertBook['look']>) => notices.map(({ state, key }) => [state, key]);

describe('the book of alerts', () => {
  it('tells an error at once and once, and again each day that it stands', () => {
    const alerts = book();
    expect(states(alerts.look([paused], 0))).toEqual([['new', 'connector-paused:cloud']]);
    for (let minute = 1; minute < 24 * 60; minute++) expect(alerts.look([paused], minute * MINUTE)).toEqual([]);
    expect(states(alerts.look([paused], DAY))).toEqual([['reminder', 'connector-paused:cloud']]);
    expect(alerts.look([paused], DAY + MINUTE)).toEqual([]);
  });

  it('tells a warning when it stands for two minutes, never of one that was gone by then, and never of a note', () => {
    const alerts = book();
    expect(alerts.look([warning, { ...paused, severity: 'info' }], 0)).toEqual([]);
    expect(alerts.look([warning], MINUTE)).toEqual([]);
    expect(alerts.look([], 2 * MINUTE)).toEqual([]);
    expect(alerts.look([warning], 3 * MINUTE)).toEqual([]);
    expect(alerts.look([warning], 5 * MINUTE)).toHaveLength(1);
    expect(alerts.look([warning], 5 * DAY)).toEqual([]);
  });

  it('says that it is over when it is gone for ten minutes, and tells it anew when it comes back after that', () => {
    const alerts = book();
    alerts.look([paused], 0);
    expect(alerts.look([], MINUTE)).toEqual([]);
    expect(alerts.look([paused], 5 * MINUTE)).toEqual([]);
    expect(alerts.look([], 14 * MINUTE)).toEqual([]);
    expect(alerts.look([], 15 * MINUTE)).toMatchObject([{ state: 'cleared', problem: 'cloud is paused', since: 0 }]);
    expect(alerts.look([], 16 * MINUTE)).toEqual([]);
    expect(states(alerts.look([paused], 17 * MINUTE))).toEqual([['new', 'connector-paused:cloud']]);
  });

  it('knows a finding without a code by its words, whatever its times and counts', () => {
    const alerts = book();
    alerts.look([{ ...warning, severity: 'error' }], 0);
    const later = { ...warning, severity: 'error' as const, problem: 'site 1 does not answer since 2026-11-22T11:30:00.000Z' };
    expect(alerts.look([later], MINUTE)).toEqual([]);
    expect(alerts.look([{ ...later, problem: 'site1 does not answer' }], MINUTE)).toHaveLength(1);
    expect(alerts.look([{ ...later, problem: 'site2 does not answer' }], MINUTE)).toHaveLength(1);
  });

  it('tells each step of one trouble once, and no step as over while a further one stands', () => {
    const alerts = book();
    const step = (days: string, severity: Finding['severity'] = 'error'): Finding => ({
      code: `certificate-expiry:listener#${days}`,
      severity,
      problem: `it expires in ${days} days`,
      remedy: null,
    });
    expect(alerts.look([step('7')], 0)).toHaveLength(1);
    expect(alerts.look([step('1')], 20 * MINUTE)).toHaveLength(1);
    expect(alerts.look([step('1')], 40 * MINUTE)).toEqual([]);
    expect(states(alerts.look([], 60 * MINUTE))).toEqual([['cleared', 'certificate-expiry:listener#1']]);
  });

  it('tells a warning again that became an error', () => {
    const alerts = book();
    alerts.look([{ ...paused, severity: 'warning' }], 0);
    expect(alerts.look([{ ...paused, severity: 'warning' }], 2 * MINUTE)).toHaveLength(1);
    expect(alerts.look([paused], 3 * MINUTE)).toMatchObject([{ state: 'new', severity: 'error' }]);
  });

  it('knows after a restart what was told before it', () => {
    const before = book();
    before.look([paused], 0);
    const after = new AlertBook(JSON.parse(JSON.stringify(before)) as ReturnType<AlertBook['toJSON']>, 60 * MINUTE);
    expect(after.look([paused], 61 * MINUTE)).toEqual([]);
    expect(after.look([], 62 * MINUTE)).toEqual([]);
    expect(states(after.look([], 72 * MINUTE))).toEqual([['cleared', 'connector-paused:cloud']]);
  });

  it('keeps no more than five hundred in mind', () => {
    const alerts = book();
    const many = Array.from({ length: 2_000 }, (_, i): Finding => ({ ...paused, code: `x:${i}` }));
    expect(alerts.look(many, 0)).toHaveLength(500);
    expect(Object.keys(alerts.toJSON())).toHaveLength(500);
  });
});

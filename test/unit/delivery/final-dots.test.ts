import { expect, it, vi } from 'vitest';
import { FinalDots, type Passage } from '../../../src/delivery/final-dots.ts';

/** Enters, and notes when it is through. */
function enter(passage: Passage, name: string, through: string[]): void {
  const held = passage.enter();
  if (held === undefined) through.push(name);
  else void held.then(() => through.push(name));
}

it('lets as many dots go as there are slots, and the next one when an outcome is durable, the first come first', async () => {
  const waited = vi.fn<() => void>();
  const dots = new FinalDots(() => 2, waited);
  const through: string[] = [];
  const [a, b, c, d] = [dots.passage(), dots.passage(), dots.passage(), dots.passage()];
  enter(a, 'a', through);
  enter(b, 'b', through);
  expect(waited).not.toHaveBeenCalled();
  enter(c, 'c', through);
  enter(d, 'd', through);
  expect(waited).toHaveBeenCalledTimes(2);
  expect(dots.areWaited).toBe(true);
  expect(through).toEqual(['a', 'b']);
  b.leave();
  await Promise.resolve();
  expect(through).toEqual(['a', 'b', 'c']);
  a.leave();
  c.leave();
  await Promise.resolve();
  expect(through).toEqual(['a', 'b', 'c', 'd']);
  expect(dots.areWaited).toBe(false);
});

it('counts a message once, however often its transaction is tried', () => {
  const dots = new FinalDots(() => 1);
  const a = dots.passage();
  expect(a.enter()).toBeUndefined();
  expect(a.enter()).toBeUndefined();
  const b = dots.passage();
  const held = b.enter();
  expect(held).toBeDefined();
  expect(b.enter()).toBe(held);
  a.leave();
  a.leave();
  expect(b.enter()).toBeUndefined();
  expect(dots.passage().enter()).toBeDefined();
});

it('keeps no place for one that is gone before its turn, or had no dot', async () => {
  const dots = new FinalDots(() => 1);
  const through: string[] = [];
  const [a, b, c] = [dots.passage(), dots.passage(), dots.passage()];
  dots.passage().leave();
  enter(a, 'a', through);
  enter(b, 'b', through);
  enter(c, 'c', through);
  b.leave();
  a.leave();
  await Promise.resolve();
  expect(through).toEqual(['a', 'c']);
});

it('follows its lane: fewer slots let none go until there are fewer dots, more let more go', async () => {
  let slots = 2;
  const dots = new FinalDots(() => slots);
  const through: string[] = [];
  const [a, b, c, d] = [dots.passage(), dots.passage(), dots.passage(), dots.passage()];
  enter(a, 'a', through);
  enter(b, 'b', through);
  slots = 1;
  enter(c, 'c', through);
  enter(d, 'd', through);
  a.leave();
  await Promise.resolve();
  expect(through).toEqual(['a', 'b']);
  slots = 3;
  b.leave();
  await Promise.resolve();
  expect(through).toEqual(['a', 'b', 'c', 'd']);
});

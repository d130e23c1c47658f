/** The files of the evidence directory: names, order, age. */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { noteFileOf } from './chain.ts';

const FILE = /^(\d{4}-\d{2}-\d{2})\.sqlite$/;
const DAY_MS = 86_400_000;

/** The UTC day of a time in milliseconds: `2026-11-22`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** When a day begins; milliseconds since the epoch. */
export function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

export function fileOf(directory: string, day: string): string {
  return join(directory, `${day}.sqlite`);
}

/** The days there are, oldest first; none where the directory is missing. */
export function daysIn(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .map((name) => FILE.exec(name)?.[1])
    .filter((day) => day !== undefined)
    .sort();
}

/** Deletes the days that ended more than `keepDays` days before `now`; returns them. */
export function dropOldDays(directory: string, keepDays: number, now: number): string[] {
  const old = daysIn(directory).filter((day) => startOf(day) + DAY_MS * (keepDays + 1) <= now);
  for (const day of old) {
    const file = fileOf(directory, day);
    for (const name of [file, `${file}-wal`, `${file}-shm`, noteFileOf(file)]) rmSync(name, { force: true });
  }
  return old;
}

/** Renames a damaged day out of the way, its journal with it; returns the new name. */
export function setAsideDay(directory: string, day: string, now: number): string {
  const file = fileOf(directory, day);
  const aside = `${file}.damaged-${now}`;
  renameSync(file, aside);
  const beside = [`${file}-wal`, `${file}-shm`, noteFileOf(file)];
  for (const [i, name] of beside.entries()) {
    try {
      renameSync(name, `${aside}${['-wal', '-shm', '.chain'][i]}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return aside;
}

/** Whether a figure that is sampled again and again grows: one slope (least squares) over several lives of a process. */

export interface Sample {
  /** Hours since the test began. */
  readonly at: number;
  readonly value: number;
  /** Which process: each has its own level, the slope is common to all. */
  readonly life: number;
}

export interface Trend {
  /** Units per hour. */
  readonly slope: number;
  /** Standard error of the slope; the slope is within twice of it, nineteen times of twenty, where samples are independent. */
  readonly error: number;
  /** The slope of the half of each life that grows less: a step, however high, is in one of them; what grows all the time in both. */
  readonly steady: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  readonly samples: number;
}

export function trend(samples: readonly Sample[]): Trend {
  const lives = Map.groupBy(samples, (sample) => sample.life);
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (const life of lives.values()) {
    const x = mean(life.map(({ at }) => at));
    const y = mean(life.map(({ value }) => value));
    for (const { at, value } of life) {
      xx += (at - x) ** 2;
      xy += (at - x) * (value - y);
      yy += (value - y) ** 2;
    }
  }
  const slope = xx === 0 ? 0 : xy / xx;
  const freedom = samples.length - lives.size - 1;
  const error = xx === 0 || freedom < 1 ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(0, yy - slope * xy) / freedom / xx);
  const values = samples.map(({ value }) => value);
  return {
    slope,
    error,
    steady: steady([...lives.values()]),
    mean: mean(values),
    least: Math.min(...values),
    most: Math.max(...values),
    samples: samples.length,
  };
}

function steady(lives: readonly (readonly Sample[])[]): number {
  const halves = [lives.map((life) => life.slice(0, life.length / 2)), lives.map((life) => life.slice(life.length / 2))];
  return Math.min(...halves.map(medianSlope));
}

/** Of the slopes between any two samples of a life (Theil and Sen): what stands out moves it little. */
function medianSlope(lives: readonly (readonly Sample[])[]): number {
  const slopes: number[] = [];
  for (const life of lives)
    for (const [i, a] of life.entries())
      for (const b of life.slice(i + 1)) if (b.at > a.at) slopes.push((b.value - a.value) / (b.at - a.at));
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? 0;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

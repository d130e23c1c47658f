/** Hops counted by a name: a protocol, a cipher, a connector, the other end; in a bounded table. */

/** Hops; `verified` are encrypted too, `local` crossed no network. */
export interface HopCounts {
  readonly hops: number;
  readonly encrypted: number;
  readonly verified: number;
  readonly 'in-clear': number;
  readonly unknown: number;
  readonly local: number;
}

export interface NamedCounts extends HopCounts {
  readonly direction: 'in' | 'out';
  readonly name: string;
}

export type Sum = { -readonly [K in keyof HopCounts]: number };

const MOST_NAMES = 10_000;

export const nothing = (): Sum => ({ hops: 0, encrypted: 0, verified: 0, 'in-clear': 0, unknown: 0, local: 0 });

/** Sums of one kind of name, in a bounded table. */
export class Names {
  readonly #sums = new Map<string, Sum>();

  of(direction: 'in' | 'out', name: string): Sum {
    let key = `${direction} ${name}`;
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      if (this.#sums.size >= MOST_NAMES) {
        key = `${direction} others`;
        sum = this.#sums.get(key);
      }
      if (sum === undefined) this.#sums.set(key, (sum = nothing()));
    }
    return sum;
  }

  list(most = MOST_NAMES): NamedCounts[] {
    const all = [...this.#sums].map(([key, sum]) => {
      const space = key.indexOf(' ');
      return { direction: key.slice(0, space) as 'in' | 'out', name: key.slice(space + 1), ...sum };
    });
    all.sort((a, b) => a.direction.localeCompare(b.direction) || b.hops - a.hops || a.name.localeCompare(b.name));
    return (['in', 'out'] as const).flatMap((direction) => {
      const own = all.filter((one) => one.direction === direction);
      if (own.length <= most) return own;
      const others = nothing();
      for (const one of own.slice(most)) for (const fact of Object.keys(others) as (keyof Sum)[]) others[fact] += one[fact];
      return [...own.slice(0, most), { direction, name: 'others', ...others }];
    });
  }
}

/** Finds the file of a worker thread: the checkout runs .ts, the published package .js (design.md D1). */
export function workerFile(name: string, importer: string): URL {
  return new URL(`${name}${importer.endsWith('.ts') ? '.ts' : '.js'}`, importer);
}

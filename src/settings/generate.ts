/** Writes config/bridgehead.schema.json and config/README.md anew: `node src/settings/generate.ts`. */
import { writeFile } from 'node:fs/promises';
import { referencePage, schemaFile } from './reference.ts';

const folder = new URL('../../config/', import.meta.url);
await writeFile(new URL('bridgehead.schema.json', folder), schemaFile());
await writeFile(new URL('README.md', folder), referencePage());

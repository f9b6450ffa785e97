// SPDX-License-Identifier: Apache-2.0

// What a person does with the knock page.

import { fileURLToPath, pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { until } from './browser.mjs';

/** The knock page as a file. */
export const pageFile = fileURLToPath(new URL('../../luci-app/htdocs/latchkey/index.html', import.meta.url));
export const pageURL = pathToFileURL(pageFile).href;

/** The functions of the page's core, which needs no document. */
export function core(...names) {
	const page = readFileSync(pageFile, 'utf8');
	const script = page.slice(page.indexOf('<script>') + 8, page.indexOf('/* page */'));
	return new Function(`${script}; return { ${names.join(', ')} };`)();
}

/** Opens the page with the settings of a link. */
export async function visit(browser, page, link) {
	const fragment = link.includes('#') ? link.slice(link.indexOf('#')) : '';
	await browser.goto(page + fragment);
}

/** Presses a door, waits until it may be pressed again, and returns when it was pressed (ms since 1970). */
export async function press(browser, door) {
	const button = `document.querySelector('[data-door="${door}"]')`;
	await until(`door ${door}`, () => browser.run(`!!${button}`));
	const at = await browser.run(`(${button}.click(), Date.now())`);
	if (!await browser.run(`${button}.disabled`)) throw new Error(`door ${door} was pressed, but nothing happened`);
	await until('the end of the knock', () => browser.run(`!${button}.disabled`));
	return at;
}

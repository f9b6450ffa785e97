// SPDX-License-Identifier: Apache-2.0

// What a person does with the knock page.

import { fileURLToPath, pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
import { until } from './browser.mjs';

/** The knock page as a file. */
export const pageFile = fileURLToPath(new URL('../../luci-app/htdocs/latchkey/index.html', import.meta.url));
export const pageURL = pathToFileURL(pageFile).href;

/** The functions of the page's parts that need neither a document nor a network. */
export function core(...names) {
	const parts = ['seal', 'link', 'judge'].map(name => readFileSync(new URL(`../../luci-app/page/${name}.js`, import.meta.url), 'utf8'));
	return new Function(`${parts.join('')}; return { ${names.join(', ')} };`)();
}

/** Opens the page with the settings of a link, and agrees where the page asks. */
export async function visit(browser, page, link) {
	const fragment = link.includes('#') ? link.slice(link.indexOf('#')) : '';
	await browser.goto(page + fragment);
	await browser.run(`(document.querySelector('#ask .main')?.click(), 0)`);
}

/** Opens a URL of the page with the settings of its link alone: what the page knew before it forgets, but for its stamps. */
export async function visitAlone(browser, url) {
	const page = url.replace(/#.*/, '');
	await browser.goto(page);
	await browser.run(`(localStorage.removeItem('latchkey'), sessionStorage.removeItem('latchkey'), 0)`);
	await browser.goto(url);
}

/** An expression for the card of a door. */
export const card = door => `document.querySelector('[data-door="${door}"]').parentNode`;

/** Whether the page is at a knock: its buttons do nothing then. */
export const busy = `!!document.querySelector('[aria-disabled=true]')`;

/** Presses a door, or what is named in its card, and returns when (ms since 1970). */
export async function tap(browser, door, what = '.knock') {
	await until(`door ${door}`, () => browser.run(`!!document.querySelector('[data-door="${door}"]')`));
	const at = await browser.run(`(${card(door)}.querySelector('${what}').focus(), ${card(door)}.querySelector('${what}').click(), Date.now())`);
	if (!await browser.run(busy)) throw new Error(`door ${door} was pressed, but nothing happened`);
	return at;
}

/** Presses a door, waits until it may be pressed again, and returns when it was pressed (ms since 1970). */
export async function press(browser, door, what) {
	const at = await tap(browser, door, what);
	await until('the end of the knock', () => browser.run(`!${busy}`), 30_000);
	return at;
}

/** What the card of a door says: its result, its time, whether it is drawn open. */
export const said = (browser, door) => browser.run(`(card => ({
	result: card.querySelector('.result').textContent, time: card.querySelector('.time').textContent, open: card.matches('.open'),
	connect: card.querySelector('.row').hidden || card.querySelector('.main').hidden ? '' : card.querySelector('.main').href,
	place: card.querySelector('.row').hidden ? '' : card.querySelector('code').textContent,
}))(${card(door)})`);

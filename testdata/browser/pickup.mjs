// SPDX-License-Identifier: Apache-2.0

// Gives links and pick-up addresses to the knock page in a real browser, and ends:
//
//   node pickup.mjs BROWSER PROFILE PAGE
//
//   BROWSER  chromium or firefox
//   PROFILE  an empty folder, in which the browser leaves its history
//   PAGE     URL of the page
//
// Each line of standard input is a step: "open URL" opens an address as one that was scanned, "paste TEXT" gives a text to
// the page's own field, "again" presses its button as it is, "empty" has the page forget all. After each a line of JSON says what the page shows.

import { createInterface } from 'node:readline';
import { open, until } from './browser.mjs';

const [name, profile, page] = process.argv.slice(2);
if (!page) {
	console.error('usage: node pickup.mjs BROWSER PROFILE PAGE');
	process.exit(2);
}
const shown = `(() => {
	const texts = selector => [...document.querySelectorAll(selector)].map(x => x.textContent);
	return { title: document.title, doors: texts('.door b'), notes: texts('.note'), address: location.href, field: document.getElementById('paste').value };
})()`;
// The page is ready when it shows a door or its field.
const ready = `document.readyState === 'complete' && !!(document.querySelector('.door') || !document.getElementById('setup').hidden)`;
const steps = {
	open: (browser, url) => browser.goto(url),
	paste: (browser, text) => browser.run(`(document.getElementById('paste').value = ${JSON.stringify(text)}, document.querySelector('#setup button').click(), 0)`),
	again: browser => browser.run(`(document.querySelector('#setup button').click(), 0)`),
	empty: async browser => {
		await browser.goto(page);
		await browser.run('(localStorage.clear(), sessionStorage.clear(), 0)');
		await browser.goto(page);
	},
};
const browser = await open(name, {}, profile);
try {
	for await (const line of createInterface({ input: process.stdin })) {
		const [, step, rest] = line.match(/^(\S+) ?(.*)$/);
		await steps[step](browser, rest);
		await until('the page', () => browser.run(ready), 30_000);
		console.log(JSON.stringify(await browser.run(shown)));
	}
} finally {
	await browser.close();
	process.stdin.destroy();
}

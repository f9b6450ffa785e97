// SPDX-License-Identifier: Apache-2.0

// Does with the knock page what each line of standard input says, in a real browser, and ends with it:
//
//   node card.mjs BROWSER
//
//   open URL      opens the page again, with the settings behind # alone
//   wait DOOR     waits until its card says something by itself
//   press DOOR    presses a door, until it may be pressed again
//   shut DOOR     presses the button that closes it
//   probe         ticks whether doors are tried
//
// After each a line of JSON says what the card of the door said, in order, and what has the focus.

import { createInterface } from 'node:readline';
import { open, until } from './browser.mjs';
import { busy, said, tap, visitAlone } from './page.mjs';

const [name] = process.argv.slice(2);
if (!name) {
	console.error('usage: node card.mjs BROWSER');
	process.exit(2);
}

/** Presses, and returns all that the card said until the page may be pressed again, each with the ms since. */
async function watch(browser, door, what) {
	const at = await tap(browser, door, what), all = [];
	await until('the end of the knock', async () => {
		const card = await said(browser, door);
		if (card.result !== all.at(-1)?.result || card.open !== all.at(-1).open) all.push({ ...card, ms: Date.now() - at });
		return !await browser.run(busy);
	}, 60_000);
	return { said: all, focus: await browser.run('document.activeElement.textContent.slice(0, 60)') };
}

const steps = {
	async open(browser, url) {
		await visitAlone(browser, url);
		return {};
	},
	async wait(browser, door) {
		await until(`the card of ${door} says something`, async () => (await said(browser, door)).result, 60_000);
		return { said: [await said(browser, door)] };
	},
	press: (browser, door) => watch(browser, door, '.knock'),
	shut: (browser, door) => watch(browser, door, '.shut'),
	async probe(browser) {
		await browser.run(`(document.getElementById('probe').click(), 0)`);
		return {};
	},
};
const browser = await open(name);
try {
	for await (const line of createInterface({ input: process.stdin })) {
		const [, step, rest] = line.match(/^(\S+) ?(.*)$/);
		console.log(JSON.stringify(await steps[step](browser, rest)));
	}
} finally {
	await browser.close();
	process.stdin.destroy();
}

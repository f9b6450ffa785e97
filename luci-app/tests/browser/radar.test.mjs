// SPDX-License-Identifier: Apache-2.0

// The radar in Chromium.

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { executable, launch, accessibility, overflow, screenshot } from '../lib/browser.mjs';
import { openView, REAL } from '../lib/luci.mjs';
import { routerOf } from './routers.js';

describe('in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	async function on(name, options, body) {
		const answer = routerOf(name);
		const v = await openView(browser, 'view.latchkey.radar', { answer, writer: false, ...options });

		try {
			await body(v.page, answer.made);
			assert.deepEqual(v.wrong, []);
		}
		finally {
			await v.close();
		}
	}

	const poll = page => page.evaluate(() => Promise.all(globalThis.polls.map(p => p())));
	const heights = page => page.locator('.lk-radar-hour rect:not(.lk-tl-touch)').evaluateAll(all => all.map(r => +r.getAttribute('height')));

	for (const name of [ 'quiet', 'busy', 'fresh', 'troubled', 'off' ])
		for (const [ size, language, dark ] of [ [ 'desktop', undefined, false ], [ 'phone', 'de', true ], [ 'small', 'zh_Hans', false ] ])
			test(`${name} is accessible and fits: ${size} ${language || 'en'} ${dark ? 'dark' : 'light'}`, { skip: REAL ? 'the look is that of a theme' : false }, () =>
				on(name, { size, language, dark }, async page => {
					await screenshot(page, [ 'radar', name, size, language || 'en', dark ? 'dark' : 'light' ].join('-'));
					assert.deepEqual(await accessibility(page, '.lk'), []);
					assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
				}));

	test('every hour of the week has a bar, and a flood hides none', () => on('busy', {}, async (page, made) => {
		const all = await heights(page), highest = Math.max(...all);

		assert.equal(all.length, 168);
		assert.equal(all.indexOf(highest), made.radar.hours.findIndex(h => h.tcp > 1e6));
		assert.ok(Math.min(...all) > 20, 'the lowest bar has ' + Math.min(...all));
	}));

	test('a bar says its hour and counts, and an estimate is called so', () => on('busy', {}, async page => {
		const flood = page.locator('.lk-radar-hour').nth(168 - 30);

		await flood.hover();
		assert.match(await page.locator('.lk-tl-detail').textContent(), /^Tue, Nov 24.*: about 41,000,0\d\d attempts, 41,000,000 over TCP, /);
		assert.match(await page.locator('.lk-tl-notes').textContent(), /estimates, by up to 2 % off/);
		assert.match(await page.getByRole('row', { name: '2001:db8:4b1d' }).textContent(), /about 88,000820 to 65,000/);
	}));

	test('services stand by their number, other ports do not, and what is rare is summed up', () => on('quiet', {}, async (page, made) => {
		assert.match(await page.locator('.lk-radar-ports li').first().textContent(), /telnet 23\/tcp6,200/);
		assert.equal(await page.locator('.lk-radar-ports li').count(), 15);

		const rest = made.radar.others + made.radar.ports.slice(15).reduce((n, p) => n + p.attempts, 0);

		assert.ok((await page.locator('#view').textContent()).includes(rest.toLocaleString('en') + ' attempts at other ports.'));
	}));

	test('it says that senders can be forged, and offers nothing to do about them', () => on('quiet', { writer: true }, async page => {
		assert.equal(await page.getByText('Anybody can send in somebody else’s name').count(), 1);
		assert.equal(await page.locator('#view button').count(), 0);
		assert.deepEqual(await page.locator('.lk-badge').allTextContents(), [ 'scan', 'scan' ]);
	}));

	test('texts of the router are texts', () => on('quiet', {}, async (page, made) => {
		const evil = '<img class=evil src=/evil onerror="evil=1">';

		made.radar.ports[0].service = made.radar.senders[0].address = made.radar.problem = evil;
		await poll(page);
		assert.equal(await page.locator('.evil').count(), 0);
		assert.ok((await page.locator('#view').textContent()).includes(evil));
	}));

	test('it follows what the router says, also when the radar is switched off and on', () => on('fresh', {}, async (page, made) => {
		const radar = made.radar;

		assert.equal((await heights(page)).length, 1);
		assert.equal(await page.getByText('Nobody has tried a closed port yet.').count(), 1);
		made.radar = { error: 'the radar is switched off', hint: 'switch it on' };
		await poll(page);
		assert.equal(await page.locator('.lk-radar').isVisible(), false);
		assert.equal(await page.getByText('the radar is switched off (switch it on)').count(), 1);
		made.radar = { ...radar, hours: [ { ...radar.hours[0], tcp: 77 } ] };
		await poll(page);
		assert.equal(await page.locator('.lk-radar').isVisible(), true);
		assert.match(await page.locator('.lk-tl-said').textContent(), /^\d+ attempts in this hour/);
	}));
});

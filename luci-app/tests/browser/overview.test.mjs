// SPDX-License-Identifier: Apache-2.0

// The overview and the events in every situation of a router, in Chromium.

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { executable, launch, accessibility, overflow, screenshot } from '../lib/browser.mjs';
import { openView, REAL } from '../lib/luci.mjs';
import { ROUTERS, routerOf } from './routers.js';

describe('in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	// Opens a view on a router; body gets its page and the answers, which it may change.
	async function on(name, options, body) {
		const answer = routerOf(name);
		const v = await openView(browser, 'view.latchkey.' + (options.view || 'overview'), { answer, ...options });

		try {
			await body(v.page, answer.made);
			assert.deepEqual(v.wrong, []);
		}
		finally {
			await v.close();
		}
	}

	for (const name of Object.keys(ROUTERS))
		for (const [ size, language, dark ] of [ [ 'desktop', undefined, false ], [ 'small', 'de', true ], [ 'small', 'zh_Hans', false ] ])
			test(`${name} is accessible and fits: ${size} ${language || 'en'} ${dark ? 'dark' : 'light'}`, { skip: REAL ? 'the look is that of a theme' : false }, () =>
				on(name, { size, language, dark }, async page => {
					await screenshot(page, [ 'now', name, size, language || 'en', dark ? 'dark' : 'light' ].join('-'));
					assert.deepEqual(await accessibility(page, '.lk'), []);
					assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
				}));
});

// SPDX-License-Identifier: Apache-2.0

// The app that `make site` makes, in real browsers, from an https server that ends. That it knocks where nothing but the
// router can be reached is tested with the real daemon (cmd/latchkeyd).

import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, programs, until } from './browser.mjs';
import { canvas, video } from './qr.mjs';
import { makeCertificate, makeSite, serveSite } from './web.mjs';

const linkOf = (name, key, doors) => `v=1&n=${name}&h=${name}.example.net&a=127.0.0.1&u=41641&p=20480&k=${key}${'DwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'}&d=${doors}` +
	doors.split(',').map((door, i) => `&i=${door}%3Atcp%3A${2222 + i}%3Assh%3AThe%20door%20${i}`).join('');
const first = linkOf('home', 'AAEC', 'nas,web'), second = linkOf('hut', 'BBEC', 'stove');

const texts = selector => `[...document.querySelectorAll('${selector}')].map(x => x.textContent)`;
const isNew = 'document.lastChild?.data === " newer "'; // what the test adds to the page
const version = texts('.version code'), hostSays = `document.querySelector('.version')?.lastChild.textContent`, offer = texts('.box code'), cards = texts('.box p'), routers = texts('#routers h2');
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex');
const tap = (selector, label) => `(button => !!button && (button.click(), true))([...document.querySelectorAll('${selector}')].find(b => b.textContent === '${label}'))`;

/** Waits until an expression has a value. */
const shows = (browser, expression, value) => until(`${expression} to be ${JSON.stringify(value)}`, async () =>
	JSON.stringify(await browser.run(expression)) === JSON.stringify(value));

/** Taps what has a label, as soon as it is there. */
const tapped = (browser, selector, label) => until(`${selector} ${label}`, () => browser.run(tap(selector, label)));

/** Gives the scanner a picture of a code, as a file. */
const givePicture = (browser, text) => browser.run(`new Promise(done => ${canvas(text)}.toBlob(blob => {
	const files = new DataTransfer(), input = document.querySelector('dialog input');
	files.items.add(new File([blob], 'code.png', { type: 'image/png' }));
	input.files = files.files;
	input.dispatchEvent(new Event('change'));
	done(0);
}))`);

const site = makeSite(), certificate = makeCertificate(), folder = mkdtempSync(join(tmpdir(), 'latchkey-site-test-'));
const camera = join(folder, 'camera.y4m');
writeFileSync(camera, video(`latchkey:${first}`));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

for (const name of ['chromium', 'firefox', 'webkit']) {
	const skip = programs[name]() ? false : `SKIP: ${name} is not installed`;
	test(name, { skip }, async t => {
		const profile = mkdtempSync(join(folder, name)), files = new Map(site), look = { trust: certificate.trust, camera };
		let server = await serveSite(files, certificate), browser = await open(name, look, profile);
		const { url } = server, oldVersion = sha256(site.get('index.html'));
		const stop = () => server.close();
		const restart = async () => {
			if (name !== 'webkit') { // which forgets all when it ends
				await browser.close();
				browser = await open(name, look, profile);
			}
			await browser.goto(url);
		};
		t.after(async () => {
			stop();
			await browser.close();
		});

		await t.test('shows the version that make site prints', async () => {
			await browser.goto(url);
			await shows(browser, version, [oldVersion]);
			await shows(browser, hostSays, 'Its host has the same.');
			assert.deepEqual(await browser.run(offer), []);
		});
		// Only Chromium tells a page.
		if (name === 'chromium') await t.test('can be installed', () =>
			until('the offer to install', async () => (await browser.run(cards)).some(text => text.startsWith('Latchkey can be put beside your other apps.'))));
		await t.test('starts without its host', async () => {
			stop();
			await browser.goto(url);
			await shows(browser, version, [oldVersion]);
			await shows(browser, hostSays, 'Its host has not told which one it has.');
			await browser.goto(url + 'index.html?from=home#');
			await shows(browser, version, [oldVersion]);
		});

		await t.test('scans the code of the app with the camera', async () => {
			// Only Chromium has a fake camera that shows a picture of ours.
			if (name !== 'chromium') await browser.run(`(navigator.mediaDevices.getUserMedia = async () => {
				const picture = ${canvas(`latchkey:${first}`)}, stream = picture.captureStream(10);
				setInterval(() => picture.getContext('2d').fillRect(0, 0, 1, 1), 100);
				return window.cameraStream = stream;
			}, 0)`);
			await tapped(browser, '#setup button', 'Scan a code');
			await shows(browser, texts('.door b'), ['The door 0', 'The door 1']);
			assert.equal(await browser.run('!!document.querySelector("dialog")'), false);
			if (name !== 'chromium') await shows(browser, 'cameraStream.getTracks().map(t => t.readyState)', ['ended']);
		});
		await t.test('keeps what it scanned, without its host', async () => {
			await restart();
			await shows(browser, texts('.door b'), ['The door 0', 'The door 1']);
			assert.equal(await browser.run('document.title'), 'home');
		});
		await t.test('says what is wrong with another code, and takes a second link beside the first', async () => {
			await browser.run('(navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError") }, 0)');
			await tapped(browser, 'footer button', 'Add a router');
			await tapped(browser, '#setup button', 'Scan a code');
			const said = texts('dialog p:not(.row)');
			await shows(browser, said, ['The camera is not allowed here. Allow it in the settings of the browser or the phone, or take a picture of the code.']);
			for (const [text, answer] of [
				['https://elsewhere.example/', 'This is no code of Latchkey.'],
				['http://192.168.1.1/latchkey/#GrSmB0gXRIV8vVm3pK7gzA', 'This is the code for the router’s own page. Let the router show the code for the app.'],
			]) {
				await givePicture(browser, text);
				await shows(browser, said, [answer]);
			}
			await givePicture(browser, `latchkey:${second}`);
			await shows(browser, routers, ['home', 'hut']);
			await browser.goto(url);
			await shows(browser, routers, ['home', 'hut']);
		});

		await t.test('stays as it is when its host has another version, until its user takes it', async () => {
			files.set('index.html', Buffer.concat([site.get('index.html'), Buffer.from('<!-- newer -->\n')]));
			files.set('worker.js', Buffer.concat([Buffer.from('/* newer */\n'), site.get('worker.js')]));
			const newVersion = sha256(files.get('index.html'));
			server = await serveSite(files, certificate, +new URL(url).port);
			for (const again of [() => browser.goto(url), restart]) {
				await again();
				await shows(browser, offer, [newVersion]);
				assert.deepEqual(await browser.run(version), [oldVersion]);
				assert.equal(await browser.run(isNew), false);
			}
			stop();
			await browser.goto(url);
			await shows(browser, version, [oldVersion]);
			server = await serveSite(files, certificate, +new URL(url).port);
			await browser.goto(url);
			await shows(browser, offer, [newVersion]);
			files.set('index.html', Buffer.from('What was agreed to is what is taken, whatever the host has by now.'));
			await browser.run(tap('.box button', 'Take it'));
			await shows(browser, version, [newVersion]);
			assert.equal(await browser.run(isNew), true);
			assert.deepEqual(await browser.run(routers), ['home', 'hut'], 'the links are gone');
		});
		// Only Firefox lets a page ask for what Shift and Reload do.
		if (name === 'firefox') await t.test('says so when it came from its host past what is installed', async () => {
			files.set('index.html', site.get('index.html'));
			let asked = 0;
			await until('a page past what is installed', async () => {
				if (Date.now() > asked + 5000) { // what meets a load under way may be lost
					asked = Date.now();
					await browser.run('(setTimeout(() => location.reload(true)), 0)');
				}
				return (await browser.run(cards)).join() === 'This page came from its host, not from this device: its version is not the installed one.';
			});
			assert.deepEqual(await browser.run(version), []);
			await browser.run(tap('.box button', 'Start what is installed'));
			await shows(browser, isNew, true);
			files.set('index.html', Buffer.from('What was agreed to is what is taken, whatever the host has by now.'));
			await browser.goto(url);
		});
		await t.test('takes no other page of its host for a version', async () => {
			await shows(browser, hostSays, 'Its host has not told which one it has.');
			assert.deepEqual(await browser.run(offer), []);
		});
	});
}

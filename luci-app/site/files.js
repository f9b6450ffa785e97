// SPDX-License-Identifier: Apache-2.0

// What an installed app consists of. Worker and page share this file.

/** The cache of this origin with what is installed. Its keys are whole addresses, so two apps of one origin do not meet. */
export const cacheName = 'latchkey';

/** Each file with the type that it is kept with, whatever its host says. The page is the folder itself. */
export const files = {
	'manifest.json': 'application/manifest+json',
	'icon-180.png': 'image/png',
	'icon-192.png': 'image/png',
	'icon-512.png': 'image/png',
	'icon-maskable-512.png': 'image/png',
	'./': 'text/html; charset=utf-8', // last, so that an app which was kept in part counts as not kept
};

/** Marks a request that is to reach the host: under such an address nothing is kept. */
const pastWorker = '?new';

/**
 * Gets all files, or those that are not given, from the host and past all caches. Returns name -> Response as it is kept:
 * without the host's headers, and without the mark of a redirection, with which a browser refuses it for a page.
 */
export async function fetchNew(answers = {}) {
	for (const file in files) answers[file] ??= await fetchFile(file);
	return answers;
}

/** fetchNew for one file. */
export async function fetchFile(file) {
	const answer = await fetch(file + pastWorker, { cache: 'no-cache', signal: AbortSignal.timeout(30_000) });
	if (!answer.ok) throw Error(`${file}: HTTP status ${answer.status}`);
	const bytes = await answer.arrayBuffer();
	// Some hosts answer every address with some page of their own.
	if (file === './' && !new TextDecoder().decode(bytes).includes('<meta name="latchkey"')) throw Error('the host has another page');
	return new Response(bytes, { headers: { 'Content-Type': files[file] } });
}

/** Keeps what fetchNew returned. */
export async function keep(answers) {
	const cache = await caches.open(cacheName);
	for (const file in files) await cache.put(file, answers[file]);
}

/** Returns what was kept for a file, or undefined. */
export async function kept(file) {
	return (await caches.open(cacheName)).match(file);
}

/** Keeps the app where none is kept: not even a part of a newer one may come beside one that is. */
export async function install() {
	if (!await kept('./')) await keep(await fetchNew());
}

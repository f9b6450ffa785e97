// SPDX-License-Identifier: Apache-2.0

// Codes as a camera sees them, made by Debian's qrencode: not by the library that reads them.

import { execFileSync } from 'node:child_process';

/** The modules of a QR code with its margin, as rows of booleans: true is dark. */
export function modules(text) {
	const lines = execFileSync('qrencode', ['-t', 'ASCII', '-m', '4'], { input: text, encoding: 'utf8' }).split('\n').filter(line => line);
	return lines.map(line => Array.from({ length: line.length / 2 }, (_, i) => line[2 * i] === '#'));
}

/**
 * A video for Chromium's fake camera, as YUV4MPEG2: a code in the middle of a grey picture, turned and in perspective, as a hand
 * holds a phone.
 * @param {string} text of the code
 */
export function video(text, width = 640, height = 480) {
	const rows = modules(text), side = rows.length;
	const luma = Buffer.alloc(width * height, 110), chroma = Buffer.alloc(width * height / 2, 128);
	const [sin, cos] = [Math.sin(0.2), Math.cos(0.2)];
	for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
		// From the picture back to the code, which is further away at its top.
		const u = x - width / 2, v = y - height / 2, far = 1 - v / height / 4, scale = side / (0.75 * height);
		const column = Math.floor(side / 2 + (cos * u + sin * v) * far * scale), row = Math.floor(side / 2 + (cos * v - sin * u) * far * scale);
		if (rows[row]?.[column] !== undefined) luma[y * width + x] = rows[row][column] ? 40 : 210;
	}
	const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, chroma]);
	return Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`), frame, frame]);
}

/** An expression of a page for a canvas with the code of a text. */
export const canvas = text => `((rows, size) => {
	const canvas = Object.assign(document.createElement('canvas'), { width: rows.length * size, height: rows.length * size }), context = canvas.getContext('2d');
	rows.forEach((row, y) => row.forEach((dark, x) => {
		context.fillStyle = dark ? '#000' : '#fff';
		context.fillRect(x * size, y * size, size, size);
	}));
	return canvas;
})(${JSON.stringify(modules(text))}, 6)`;

/** Fields in the manner of systems, and of settings of them, that are not among the samples; hosts and people are made up. */
import { describe, expect, it } from 'vitest';
import { parseReceived, type ReceivedField } from '../../../../src/evidence/headers/received.ts';

type Facts = Partial<ReceivedField>;
const encrypted = (tlsVersion: string | null, cipher: string | null): Facts => ({ tls: 'yes', tlsVersion, cipher });
const AES = 'TLS_AES_256_GCM_SHA384';
const ECDHE = 'ECDHE-RSA-AES256-GCM-SHA384';

const FIELDS: readonly (readonly [name: string, field: string, facts: Facts])[] = [
  [
    'Haraka, leaving its own queue',
    '(Haraka outbound); Sun, 14 Jul 2024 17:13:26 +0300',
    { tls: 'n/a', byHost: null, date: '2024-07-14T17:13:26+03:00' },
  ],
  [
    'Exim, taken from a list manager on the host',
    'from list by lists.example.org with outflank-mailman.213402.1 (Exim 4.92) (envelope-from <l-bounces@lists.example.org>) id 1mcsYl-0005TS-C9; Tue, 19 Oct 2021 17:05:55 +0000',
    { tls: 'n/a', byHost: 'lists.example.org' },
  ],
  [
    'the list manager itself',
    'by outflank-mailman (input) for mailman id 661159; Thu, 04 Jan 2024 09:02:58 +0000',
    { tls: 'n/a' },
  ],
  [
    'OpenSMTPD, submitted on the host',
    'from localhost (mx.example.org [local]) by mx.example.org (OpenSMTPD) with ESMTPA id 1a2b3c4d for <a@example.org>; Wed, 3 Mar 2021 10:00:00 +0100 (CET)',
    { tls: 'n/a', fromIp: null },
  ],
  [
    'getmail from an IMAP server',
    'from unknown by myhost with IMAP4-SSL getmail6 msgid:INBOX/1234; 03 Mar 2021 10:00:00 -0000',
    { tls: 'n/a' },
  ],
  ['an X.400 MTA', 'by mta gw-x400 in /PRMD=GOV/ADMD=X/C=GB/; Relayed; Mon, 3 Mar 1997 10:00:00 +0000', { tls: 'n/a' }],
  [
    'a gateway from X.400',
    'from mhs.example.org by relay.example.org with X.400 (MTR) id <0123>; Mon, 3 Mar 1997 10:00:00 +0000',
    { tls: 'n/a' },
  ],
  [
    'qmail with a login in front of the address',
    'from unknown (HELO pc.example.net) (joe@example.org@203.0.113.7) by mx.example.org with ESMTPSA; 14 Aug 2013 07:59:32 -0000',
    { fromIp: '203.0.113.7', helo: 'pc.example.net', tls: 'yes' },
  ],
  [
    'SendGrid, its own date',
    'by recvd-7f76-9669s with SMTP id recvd-7f76-9669s-1-67BF35A3-37\n\t2025-02-26 15:39:15.403398659 +0000 UTC m=+3009858.749439763',
    { tls: 'unknown', date: '2025-02-26T15:39:15+00:00' },
  ],
  [
    'a cipher that encrypts nothing',
    'from a.example.net (a.example.net [192.0.2.1]) (using TLSv1 with cipher NULL-SHA (0/0 bits)) by b.example.org (Postfix) with ESMTPS id 4F2A1B2C3D4; Wed, 3 Mar 2021 10:00:00 +0000',
    { tls: 'no', tlsVersion: null, cipher: null },
  ],
  [
    'the same in IANA spelling',
    'from a.example.net (192.0.2.1) by b.example.org (192.0.2.2) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_RSA_WITH_NULL_SHA256) id 15.2.1118.26; Wed, 3 Mar 2021 10:00:00 +0100',
    { tls: 'no', tlsVersion: null, cipher: null },
  ],
  [
    'a HELO that tells of TLS itself: what stands before the address of the client is not the host speaking',
    'from x (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (evil.example [203.0.113.66]) by mx.example.org (Postfix) with ESMTP id 4F2A1B2C3D4; Wed, 3 Mar 2021 10:00:00 +0100',
    { tls: 'unknown', tlsVersion: null, cipher: null, fromIp: '203.0.113.66' },
  ],
  [
    'a HELO with an address besides',
    'from x (x [198.51.100.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (evil.example [203.0.113.66]) by mx.example.org (Postfix) with ESMTP id 4F2A1B2C3D4; Wed, 3 Mar 2021 10:00:00 +0100',
    { tls: 'unknown' },
  ],
  [
    'Bridgehead',
    'from client.example.net (rdns.example.net [198.51.100.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(client certificate: CN=mail.example.net, verified)\r\n\tby mx1.example.com (Bridgehead) with ESMTPS id 01JDABC\r\n\tfor <user@example.com>; Sun, 22 Nov 2026 10:00:00 +0000',
    {
      fromHost: 'client.example.net',
      fromIp: '198.51.100.7',
      reverseName: 'rdns.example.net',
      byHost: 'mx1.example.com',
      id: '01JDABC',
      recipient: 'user@example.com',
      ...encrypted('TLSv1.3', AES),
    },
  ],
  [
    'Bridgehead in clear',
    'from [192.0.2.1] (unknown [198.51.100.7])\r\n\tby mx1.example.com (Bridgehead) with ESMTP id 01JDABC; Sun, 22 Nov 2026 10:00:00 +0000',
    { fromIp: '198.51.100.7', tls: 'no' },
  ],
  [
    'Postfix 3 with a client certificate',
    'from mx.example.net (mx.example.net [IPv6:2001:db8::25]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256 client-signature RSA-PSS (2048 bits) client-digest SHA256) (Client CN "mx.example.net", Issuer "R3 (x)" (verified OK)) by mail.example.org (Postfix) with ESMTPS id 4XyZ12AbCdz9sRK for <a@example.org>; Mon, 6 Oct 2025 11:57:41 +0200 (CEST)',
    { fromIp: '2001:db8::25', id: '4XyZ12AbCdz9sRK', date: '2025-10-06T11:57:41+02:00', ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Postfix whose client showed no certificate',
    'from a.example.net (unknown [203.0.113.9]) (using TLSv1.2 with cipher AECDH-AES256-SHA (256/256 bits)) (Client did not present a certificate) by b.example.org (Postfix) with ESMTP id 4Kdswc3Qsdzf6nb; Wed, 13 Apr 2022 19:24:32 +0000 (UTC)',
    encrypted('TLSv1.2', 'AECDH-AES256-SHA'),
  ],
  [
    'Postfix, picked up on the host',
    'by mail.example.org (Postfix, from userid 1000) id D3FDD10B051; Tue, 15 May 2001 17:31:22 -0400 (EDT)',
    { byHost: 'mail.example.org', id: 'D3FDD10B051', tls: 'n/a' },
  ],
  [
    'Postfix, forwarded by an alias',
    'by mail.example.org (Postfix) id 3E47A1BC025; Tue, 23 Feb 2010 22:16:41 -0800 (PST)',
    { tls: 'n/a', fromHost: null },
  ],
  [
    'Postfix and a HELO in brackets',
    'from [192.168.1.5] (cpe.example.net [203.0.113.5]) by smtp.example.org (Postfix) with ESMTPSA id EC35240C85 for <a@example.org>; Fri, 30 Oct 2009 19:07:44 +0000 (GMT)',
    { fromHost: '[192.168.1.5]', fromIp: '203.0.113.5', ...encrypted(null, null) },
  ],
  [
    'a HELO that looks like an address, no space before the bracket',
    'from 192.0.2.3 (unknown[203.0.113.65]) by mail.example.org (Postfix) with SMTP id 9029AFB732; Sat,  8 Nov 2003 17:57:46 -0500 (EST)',
    { fromHost: '192.0.2.3', fromIp: '203.0.113.65', tls: 'no' },
  ],
  [
    'Exim 4.94 with its tls clause',
    'from proxy.example.net ([198.51.100.2])\n\tby www.example.org with esmtpsa  (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim 4.96.2)\n\t(envelope-from <someone@example.net>)\n\tid 1w0wfH-000D17-03;\n\tFri, 13 Mar 2026 08:10:31 +0100',
    { protocol: 'esmtpsa', id: '1w0wfH-000D17-03', ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Exim 4.98, product before with, new ids',
    'from host.example.net ([87.0.2.208] helo=[192.168.178.61])\n by in.example.org (Exim 4.98)\n with esmtpsa (TLS1.3)\n tls TLS_AES_256_GCM_SHA384\n (envelope-from <a@example.net>)\n id 1ubvTb-00000003Tv0-0wKq; Wed, 16 Jul 2025 08:18:47 +0200',
    {
      fromIp: '87.0.2.208',
      helo: '[192.168.178.61]',
      byHost: 'in.example.org',
      id: '1ubvTb-00000003Tv0-0wKq',
      ...encrypted('TLSv1.3', AES),
    },
  ],
  [
    'Exim with a client that tells nothing of itself',
    'from MUA\n by vps.example.net with esmtpsa  (TLS1.3) tls TLS_AES_256_GCM_SHA384\n (Exim 4.98) (envelope-from <a@vps.example.net>)\n id 1tCkq3-00000002GTj-2VyB; Sun, 17 Nov 2024 20:21:39 +0100',
    { fromHost: 'MUA', fromIp: null, ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Exim with X= and GnuTLS names',
    'from a.example.net ([192.0.2.4]:36002) by b.example.org with esmtps (X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256) (Exim 4.94.2) id 1inSbu-00058e-KM for u@example.org; Fri, 03 Jan 2020 14:27:50 -0500',
    encrypted('TLSv1.3', 'ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM'),
  ],
  [
    'Exim 3 with "Cipher"',
    'from a.example.net ([192.0.2.213] helo=b.example.net ident=x) by list.example.org with esmtp (Cipher TLSv1:DES-CBC3-SHA:168) (Exim 3.31-VA-mm2 #1 (Debian)) id 18lyuU-0007TI-00 for <l@list.example.org>; Thu, 20 Feb 2003 14:11:18 -0800',
    { helo: 'b.example.net', ...encrypted('TLSv1', 'DES-CBC3-SHA') },
  ],
  [
    'Exim: two names that TLS 1.0 had',
    'from root (helo=host.example.net) by a.example.org with local-esmtps  (tls_cipher TLS-1.0:RSA_AES_256_CBC_SHA:32)  (Exim 4.50 #1 (Debian)) id 1FwHqR-0008Bw-OG; Fri, 30 Jun 2006 08:11:35 -0400',
    encrypted('TLSv1', 'RSA_AES_256_CBC_SHA'),
  ],
  [
    'Exim, local',
    'from andrew by a.example.org with local (Exim 4.12) id 18xeL6-000Dn1-00; Tue, 25 Mar 2003 02:39:00 +0000',
    { tls: 'n/a', fromHost: 'andrew' },
  ],
  [
    'Sendmail, its rDNS doubted, in clear',
    'from mail.example.net (host66.example.net [192.0.2.66] (may be forged)) by in.example.org (8.11.6/8.11.6) with ESMTP id h2F0c2x31856 for <jm@example.org>; Sat, 15 Mar 2003 00:38:03 GMT',
    { fromIp: '192.0.2.66', reverseName: 'host66.example.net', tls: 'no', date: '2003-03-15T00:38:03+00:00' },
  ],
  [
    'Sendmail that looked and found no TLS',
    'from a.example.net (a.example.net [192.0.2.1]) by b.example.org (8.14.4/8.14.4) with ESMTP id q1 (version=NONE cipher=NONE bits=0 verify=NO); Sat, 15 Mar 2014 00:38:03 +0000',
    { tls: 'no', cipher: null },
  ],
  [
    'Sendmail, submitted on the host',
    '(from user@localhost) by mail.example.org (8.14.2/8.14.2/Submit) id o8M7Urh3018672; Wed, 22 Sep 2010 02:30:53 -0500 (CDT) (envelope-from user)',
    { tls: 'n/a', fromIp: null },
  ],
  [
    'qmail, patched for TLS',
    'from unknown (HELO box.example.net) (192.0.2.93)\n  by mail.example.org with (DHE-RSA-AES128-SHA encrypted) SMTP; 5 Nov 2011 17:28:37 -0000',
    {
      fromIp: '192.0.2.93',
      helo: 'box.example.net',
      protocol: 'SMTP',
      date: '2011-11-05T17:28:37',
      ...encrypted(null, 'DHE-RSA-AES128-SHA'),
    },
  ],
  [
    'netqmail with a login',
    'from unknown (HELO pc) (user@example.org@192.0.2.93)\n  by mail.example.org with ESMTPA; 5 Nov 2011 17:28:37 -0000',
    { tls: 'no', helo: 'pc' },
  ],
  [
    'qpsmtpd',
    'from Unknown (HELO sigill.example.net) (10.0.1.3)\n by example.net (qpsmtpd/0.94) with (TLS_AES_256_GCM_SHA384 encrypted) ESMTPS; Tue, 13 Sep 2022 16:40:43 -0400',
    { fromIp: '10.0.1.3', protocol: 'ESMTPS', ...encrypted(null, AES) },
  ],
  [
    'MessageLabs with its cipher before the protocol',
    'from mail-ve1.outbound.protection.outlook.com (HELO EUR01-VE1-obe.outbound.protection.outlook.com) (104.47.1.55)\n  by server-3.tower-288.messagelabs.com with ECDHE-RSA-AES256-SHA384 encrypted SMTP; 30 Sep 2019 09:53:32 -0000',
    { fromIp: '104.47.1.55', protocol: 'ECDHE-RSA-AES256-SHA384 encrypted SMTP', ...encrypted(null, 'ECDHE-RSA-AES256-SHA384') },
  ],
  [
    'Symantec Messaging Gateway',
    'from mail.example.net (Unknown_Domain [192.0.2.7]) (using TLS with cipher ECDHE-RSA-AES256-SHA (256/256 bits)) (Client did not present a certificate) by smg.example.org (Symantec Messaging Gateway) with SMTP id 1C.2F.04372.5B2A; Wed, 7 Sep 2022 10:00:00 +0200',
    encrypted(null, 'ECDHE-RSA-AES256-SHA'),
  ],
  [
    'Exchange Online, TLS 1.3',
    'from MW4PR12MB7141.namprd12.prod.outlook.com (2603:10b6:303:213::20) by\n DM6PR12MB4418.namprd12.prod.outlook.com (2603:10b6:5:28e::13) with Microsoft\n SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id\n 15.20.8158.24; Wed, 13 Nov 2024 09:22:25 +0000',
    { idIsVersion: true, fromIp: '2603:10b6:303:213::20', byIp: '2603:10b6:5:28e::13', ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Exchange Online, mailbox transport in clear',
    'from A.prod.outlook.com (2603:10a6::1) by B.prod.outlook.com (2603:10a6::2) with Microsoft SMTP Server id 15.20.100.0 via Mailbox Transport; Wed, 13 Nov 2024 09:22:25 +0000',
    { tls: 'no', via: 'Mailbox Transport' },
  ],
  [
    'Exchange Online, over HTTPS',
    'from A.prod.outlook.com (2603:10a6::1) by B.prod.outlook.com with HTTPS; Wed, 13 Nov 2024 09:22:25 +0000',
    { tls: 'n/a' },
  ],
  [
    'Exchange 2010 in clear',
    'from app.example.org (10.1.2.3) by ex.example.org (10.1.2.4) with Microsoft SMTP Server id 14.3.123.3; Thu, 5 Apr 2012 01:01:01 -0700',
    { tls: 'no', idIsVersion: true },
  ],
  [
    'Exchange 2003, picked up',
    'from mail pickup service by mail1.example.org with Microsoft SMTPSVC; Thu, 13 Feb 2003 19:05:39 -0500',
    { tls: 'n/a', byHost: 'mail1.example.org' },
  ],
  [
    'Exchange 5.5',
    'from a.example.net (192.0.2.58 [192.0.2.58]) by ims.example.org with SMTP (Microsoft Exchange Internet Mail Service Version 5.5.1960.3) id G69TW478; Thu, 13 Mar 2003 14:01:10 -0500',
    { tls: 'unknown', fromIp: '192.0.2.58' },
  ],
  [
    'Gmail, sender of its own, "Google Transport Security"',
    'from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41])\n by mx.google.com with SMTPS id a640c23a62f3a-aa.2024.11.20.10.00.00\n for <user@example.org>\n (Google Transport Security);\n Wed, 20 Nov 2024 10:00:01 -0800 (PST)',
    { protocol: 'SMTPS', ...encrypted(null, null) },
  ],
  [
    'Gmail, TLS 1.3',
    'from mx.example.net (mx.example.net. [192.0.2.25]) by mx.google.com with ESMTPS id d9443c01a7336-21.2024.11.13.01.22.26 for <u@example.org> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256); Wed, 13 Nov 2024 01:22:27 -0800 (PST)',
    { fromIp: '192.0.2.25', ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Gmail in clear',
    'from i.example.net ([192.0.2.1]) by mx.google.com with ESMTP id s21si2123456.90.2010.10.14.20.25.15; Thu, 14 Oct 2010 20:25:15 -0700 (PDT)',
    { tls: 'no' },
  ],
  [
    'Gmail, its web page',
    'by 10.231.35.72 with HTTP; Fri, 16 Oct 2009 05:39:34 -0700 (PDT)',
    { tls: 'n/a', byHost: '10.231.35.72', fromIp: null },
  ],
  [
    'Gmail API',
    'from 1057 named unknown by gmailapi.google.com with HTTPREST; Fri, 16 Oct 2020 05:39:34 -0700',
    { tls: 'n/a', byHost: 'gmailapi.google.com' },
  ],
  [
    'Yahoo',
    'from 209.85.222.182 (EHLO mail-qk1-f182.google.com)\n by 10.222.142.163 with SMTPs\n (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256);\n Tue, 01 Oct 2024 10:00:00 +0000',
    {
      fromIp: '209.85.222.182',
      helo: 'mail-qk1-f182.google.com',
      byHost: '10.222.142.163',
      protocol: 'SMTPs',
      ...encrypted('TLSv1.3', 'TLS_AES_128_GCM_SHA256'),
    },
  ],
  [
    'Yahoo in clear',
    'from 127.0.0.1 (EHLO out.example.net) (192.0.2.55) by mta1007.mail.sp2.yahoo.com with SMTP; Fri, 10 Dec 2010 19:20:19 -0800',
    { tls: 'no', fromIp: '192.0.2.55' },
  ],
  [
    'Mimecast, TLS 1.3',
    'from mail.example.net (mail.example.net [192.0.2.73]) by relay.mimecast.com with ESMTP with STARTTLS (version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id us-mta-1-abcDEF-1; Wed, 21 Dec 2022 18:50:25 -0500',
    { protocol: 'ESMTP', id: 'us-mta-1-abcDEF-1', ...encrypted('TLSv1.3', AES) },
  ],
  [
    'Mimecast in clear',
    'from mail.example.net (mail.example.net [192.0.2.73]) by relay.mimecast.com with ESMTP id us-mta-1-abc-1; Wed, 21 Dec 2022 18:50:25 -0500',
    { tls: 'no' },
  ],
  [
    'IronPort, TLS 1.3',
    'from unknown (HELO mail.example.net) ([192.0.2.198])\n  by esa1.example.org with ESMTP/TLS/TLS_AES_256_GCM_SHA384; 14 Aug 2024 08:59:29 -0400',
    { protocol: 'ESMTP/TLS/TLS_AES_256_GCM_SHA384', ...encrypted(null, AES) },
  ],
  [
    'IronPort in clear',
    'from a.example.net ([192.0.2.20])\n  by esa1.example.org with ESMTP; 29 Nov 2022 18:22:03 -0800',
    { tls: 'no', fromIp: '192.0.2.20' },
  ],
  [
    'Barracuda',
    'from a.example.net (a.example.net [192.0.2.20]) by mail.example.org (Spam & Virus Firewall) with ESMTP id E1A2B3; Tue, 1 Mar 2011 10:00:00 +0100 (CET)',
    { tls: 'no' },
  ],
  [
    'Amazon SES, coming in',
    'from a.example.net (a.example.net [192.0.2.20]) by inbound-smtp.us-east-1.amazonaws.com with SMTP id ab12cd34 for u@example.org; Wed, 05 Sep 2018 18:04:00 +0000 (UTC)',
    { tls: 'unknown', recipient: 'u@example.org' },
  ],
  [
    'Amazon SES, going out',
    'from app.example.net (app.example.net [192.0.2.21]) by email-smtp.amazonaws.com with SMTP (SimpleEmailService-d-ABCDEF) id x1y2 for u@example.org; Wed, 05 Sep 2018 18:04:00 +0000 (UTC)',
    { tls: 'unknown' },
  ],
  [
    'SendGrid',
    'from NjkzMDI1 (unknown [192.0.2.77]) by geopod-ismtpd-3-0 (SG) with ESMTP id AbCdEf; Tue, 05 Nov 2024 18:50:23.120 +0000 (UTC)',
    { tls: 'unknown', byHost: 'geopod-ismtpd-3-0', date: '2024-11-05T18:50:23+00:00' },
  ],
  [
    'Mailgun',
    'from app (192.0.2.5) by 8ab1ef with SMTP id 63f0; (version=TLS1.3, cipher=TLS_AES_128_GCM_SHA256); Tue, 05 Nov 2024 18:50:23 GMT',
    encrypted('TLSv1.3', 'TLS_AES_128_GCM_SHA256'),
  ],
  ['Mailgun, by HTTP', 'by luna.mailgun.net with HTTP; Tue, 05 Nov 2024 18:50:23 +0000', { tls: 'n/a' }],
  [
    'Brevo with its months in full',
    'by smtp-relay.example.net with ESMTP id 03fe3371-2b0f-4590-90ad-166b8fa4cbbb; Wed, 10 January 2024 02:03:51 +0000 (UTC)',
    { tls: 'unknown', date: '2024-01-10T02:03:51+00:00' },
  ],
  [
    'OpenSMTPD, TLS 1.2',
    'from a.example.net (a.example.net [192.0.2.9])\n\tby mx.example.org (OpenSMTPD) with ESMTPS id a1b2c3d4 (TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256:NO)\n\tfor <u@example.org>;\n\tTue, 5 Nov 2024 18:50:23 +0100 (CET)',
    { id: 'a1b2c3d4', recipient: 'u@example.org', ...encrypted('TLSv1.2', ECDHE) },
  ],
  [
    'Haraka 3',
    'from localhost (Unknown [127.0.0.1])\n\tby mail.example.org (Haraka/3.0.1) with ESMTPSA id 3A4207B6-6CB3-42C6-8E43-95C7F46EBFD6.1\n\tenvelope-from <a@example.org>\n\ttls TLS_AES_256_GCM_SHA384 (authenticated bits=0);\n\tSat, 14 Oct 2023 13:21:39 +0000',
    { id: '3A4207B6-6CB3-42C6-8E43-95C7F46EBFD6.1', ...encrypted(null, AES) },
  ],
  [
    'Haraka with a semicolon before its id',
    'from unknown (HELO unkown) (::1)\n\tby a.example.org (Haraka/3.0.1) with ESMTPSA; id 377011C0030; Tue, 03 Jun 2025 13:51:04 +0200 (CEST)',
    { id: '377011C0030', fromIp: '::1', date: '2025-06-03T13:51:04+02:00', tls: 'yes' },
  ],
  [
    'Stalwart in clear',
    'from a.example.net (a.example.net [192.0.2.52] (AS64500 EXAMPLE, US)) by mx.example.org (Stalwart SMTP) with ESMTP id 49A5F2B839DB1C2; Sat, 26 Sep 2026 15:59:40 +0000',
    { tls: 'no', fromIp: '192.0.2.52' },
  ],
  [
    'Courier with a login',
    'from [192.168.1.2] (cpe.example.net [::ffff:192.0.2.196]) (AUTH: LOGIN user@example.org, TLS: TLSv1.2,256bits,ECDHE-RSA-AES256-GCM-SHA384)\n by mail.example.org with ESMTPSA; Tue, 08 Oct 2019 22:59:42 -0500\n id 00000000001426E9.000000005D9D5B2E.00005C1E',
    { fromIp: '192.0.2.196', id: '00000000001426E9.000000005D9D5B2E.00005C1E', ...encrypted('TLSv1.2', ECDHE) },
  ],
  [
    'Dovecot LMTP',
    'from mail.example.org\n\tby mail.example.org with LMTP\n\tid 0GfLIHMNPGcfUgAA1234\n\t(envelope-from <a@example.net>)\n\tfor <u@example.org>; Tue, 19 Nov 2024 05:00:19 +0100',
    { tls: 'n/a', id: '0GfLIHMNPGcfUgAA1234', recipient: 'u@example.org' },
  ],
  [
    'Cyrus LMTP on a socket',
    'from mail.example.org ([unix socket])\n\t by mail.example.org (Cyrus v2.2.13) with LMTPA;\n\t Thu, 26 May 2011 12:20:56 -0700',
    { tls: 'n/a', fromIp: null },
  ],
  [
    'Cyrus LMTP with TLS',
    'from murder (server.example.org [192.168.122.1])\n\t by store.example.org (Cyrus v2.3.7) with LMTPSA\n\t (version=TLSv1/SSLv3 cipher=AES256-SHA bits=256/256 verify=YES);\n\t Thu, 26 May 2011 12:20:56 -0700',
    { ...encrypted(null, 'AES256-SHA'), verify: 'YES' },
  ],
  [
    'fetchmail',
    'from pop3.example.net [192.0.2.177]\n\tby localhost with POP3 (fetchmail-6.4.6)\n\tfor <arne@localhost> (single-drop); Fri, 26 Jun 2020 12:56:08 +0200 (CEST)',
    { fromHost: 'pop3.example.net', fromIp: '192.0.2.177', protocol: 'POP3', tls: 'n/a', recipient: 'arne@localhost' },
  ],
  [
    'amavis behind Zimbra',
    'from mail.example.org ([127.0.0.1])\n by localhost (mail.example.org [127.0.0.1]) (amavisd-new, port 10032) with ESMTP\n id 28206-07 for <u@example.org>; Wed, 22 Nov 2006 10:14:42 +0700 (WIB)',
    { fromIp: '127.0.0.1', byIp: '127.0.0.1', id: '28206-07', tls: 'no' },
  ],
  [
    'amavis by LMTP',
    'from nile.example.org ([127.0.0.1])\n by localhost (nile.example.org [127.0.0.1]) (amavisd-new, port 10024) with LMTP\n id 20768-01-6; Mon, 25 Apr 2005 14:13:42 -0400 (EDT)',
    { tls: 'n/a', id: '20768-01-6' },
  ],
  [
    'Domino',
    'from app.example.org ([10.74.120.8])\n by notes.example.org (Lotus Domino Release 8.5.3FP6)\n with ESMTP id 2019050615032991-10027949 ;\n Mon, 6 May 2019 15:03:29 +0800 ',
    { tls: 'unknown', id: '2019050615032991-10027949', fromIp: '10.74.120.8' },
  ],
  [
    'GroupWise',
    'from Example-MTA by mail.example.org with Novell_GroupWise; Wed, 18 Feb 2004 07:53:53 -0700',
    { tls: 'unknown', protocol: 'Novell_GroupWise' },
  ],
  [
    'MDaemon',
    'from pc.example.org by example.org (MDaemon PRO v11.0.3) with ESMTP id md50004804310.msg for <u@example.org>; Tue, 12 Oct 2010 16:21:05 -0400',
    { tls: 'no' },
  ],
  [
    'SmarterMail',
    'from a.example.net (a.example.net [192.0.2.3]) by mail.example.org with SMTP\n\t(version=TLS\\Tls12 cipher=Aes256 bits=256); Tue, 5 Nov 2024 10:00:00 -0500',
    encrypted('TLSv1.2', 'Aes256'),
  ],
  [
    'hMailServer',
    'from a.example.net (a.example.net [192.0.2.3])\n\tby mail.example.org with ESMTPS\n\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256)\n\t; Tue, 5 Nov 2024 10:00:00 -0500',
    encrypted('TLSv1.2', ECDHE),
  ],
  [
    'ecelerity',
    'from ([198.51.100.19:33672]) by ecelerity-va-1 (ecelerity 2.1.1ea r(11031M)) with SMTP id EE/20-30863-33CE1054; Fri, 08 Sep 2006 18:18:27 -0400',
    { fromHost: null, fromIp: '198.51.100.19', id: 'EE/20-30863-33CE1054' },
  ],
  [
    'XMail',
    'from list.example.net (192.0.2.86:23198) by mx1.example.org (198.51.100.34:25) with [XMail 1.20 ESMTP Server] id <S72E> for <u@example.org> from <bounce@list.example.net>; Sat, 18 Sep 2004 23:17:54 -0500',
    { fromHost: 'list.example.net', fromIp: '192.0.2.86', byIp: '198.51.100.34', id: 'S72E', recipient: 'u@example.org' },
  ],
  [
    'kundenserver',
    'from [192.0.2.244] (helo=vger.example.net)\n\tby mxeu8.kundenserver.de with ESMTP (Nemesis),\n\tid 0MKt1w-1DqHYK2XiU-00069O for u@example.org; Wed, 06 Jul 2005 23:35:32 +0200',
    { id: '0MKt1w-1DqHYK2XiU-00069O', recipient: 'u@example.org', fromIp: '192.0.2.244' },
  ],
  [
    'a list server',
    '(majordomo@vger.example.org) by vger.example.org via listexpand\n\tid S262527AbVGFVan (ORCPT <rfc822;u@example.net>);\n\tWed, 6 Jul 2005 17:30:43 -0400',
    { tls: 'n/a', id: 'S262527AbVGFVan', byHost: 'vger.example.org' },
  ],
  [
    'nullmailer',
    '(nullmailer pid 1234 invoked by uid 1000);\n\tTue, 05 Nov 2024 10:00:00 -0000',
    { tls: 'n/a', date: '2024-11-05T10:00:00' },
  ],
  [
    'AOL, webmail',
    'from 192.0.2.135 by FWM-M18.sysops.aol.com (64.12.168.82) with HTTP (WebMailUI); Tue, 19 Jun 2007 11:16:54 -0400',
    { tls: 'n/a', fromIp: '192.0.2.135', byIp: '64.12.168.82' },
  ],
  [
    'CommuniGate',
    'from [192.0.2.8] (account u@example.org HELO pc.example.org)\n by mail.example.org (CommuniGate Pro SMTP 6.2.12)\n with ESMTPSA id 2532598 for x@example.net; Wed, 23 Feb 2022 17:51:49 -0500',
    { fromIp: '192.0.2.8', helo: 'pc.example.org', tls: 'yes' },
  ],
  [
    'CommuniGate with the address behind the login',
    'from hc1.example.org (account u@example.org [10.10.10.59] verified)\n  by example.org (CommuniGate Pro SMTP 6.2.1 _community_)\n  with ESMTPSA id 7764487; Thu, 09 May 2019 10:55:45 +0000',
    { fromIp: '10.10.10.59', id: '7764487', tls: 'yes' },
  ],
  [
    'Qsmtpd',
    'from p1.example.net ([::ffff:192.0.2.210]:36558 HELO daneel.example.net) (auth=u@example.org)\n        by mail.example.org (Qsmtpd 0.37dev) with (DHE-RSA-AES256-GCM-SHA384 encrypted) ESMTPSA\n        for <l@example.org>; Thu, 18 Jun 2020 07:29:00 +0200',
    {
      fromIp: '192.0.2.210',
      helo: 'daneel.example.net',
      recipient: 'l@example.org',
      ...encrypted(null, 'DHE-RSA-AES256-GCM-SHA384'),
    },
  ],
  [
    'Trustwave SEG in clear',
    'from a.example.org (Not Verified[2001:db8:b000::76]) by seg1.example.org with Trustwave SEG (v8,2,6,11305)\n\tid <B69b726690001>; Mon, 16 Mar 2026 10:36:41 +1300',
    { fromIp: '2001:db8:b000::76', protocol: 'Trustwave SEG', id: 'B69b726690001', tls: 'no' },
  ],
  [
    'a protocol name of a provider',
    'from a.example.org ([IPv6:2001:db8::5d6])\n\tby laurent.example.net with cmsmtp\n\tid ozj22E0060UrTfo01zj2eU; Wed, 14 May 2025 13:43:02 +0200',
    { fromIp: '2001:db8::5d6', tls: 'unknown' },
  ],
  [
    'Trend Micro',
    'from DEU01-BE0-obe.outbound.protection.outlook.com (unknown\n [104.47.7.175])\n by repre01.example.net (Trend Micro Email Security) with ESMTPS id\n 4593510004D80; Thu, 29 Jun 2023 14:49:46 +0000 (UTC)',
    { fromIp: '104.47.7.175', ...encrypted(null, null) },
  ],
  [
    'Postini',
    'from source ([192.0.2.254]) (using SSLv3) by exprod8mx8.postini.com; Wed, 08 Jan 2007 15:02:31 PST',
    { fromIp: '192.0.2.254', protocol: null, date: '2007-01-08T15:02:31-08:00', ...encrypted('SSLv3', null) },
  ],
  [
    'Axigen',
    'from pc.example.org (192.0.2.8) by mail.example.org (Axigen) with (ECDHE-RSA-AES256-GCM-SHA384 encrypted) ESMTPSA id 1F2D3E; Wed, 23 Feb 2022 17:51:49 +0200',
    encrypted(null, ECDHE),
  ],
  [
    'an asctime date',
    'from a.example.net ([192.0.2.8]) by b.example.org with ESMTP id 1; Wed Jul 30 08:14:11 2008',
    { date: '2008-07-30T08:14:11' },
  ],
  [
    'a zone name that has no number',
    'from a.example.net ([192.0.2.8]) by b.example.org with ESMTP id 1; Wed, 30 Jul 2008 08:14:11 PDT',
    { date: '2008-07-30T08:14:11-07:00' },
  ],
  [
    'no semicolon at all',
    'from a.example.net ([192.0.2.8]) by b.example.org with ESMTP id abc Wed, 30 Jul 2008 08:14:11 +0000',
    { id: 'abc', date: '2008-07-30T08:14:11+00:00' },
  ],
  ['a day that does not exist', 'by b.example.org with ESMTP id abc; Tue, 30 Feb 2010 08:14:11 +0000', { date: null, id: 'abc' }],
  ['nothing', '', { tls: 'unknown', byHost: null, date: null }],
];

describe('Received fields of other systems', () => {
  it.each(FIELDS)('reads %s', (_, field, facts) => {
    expect(parseReceived(`Received: ${field}`)).toMatchObject(facts);
  });
});

describe('a client that wants to be believed', () => {
  const POSTFIX = 'by mx.example.org (Postfix) with ESMTP id 3FB4F60193; Mon, 5 Nov 2012 22:12:29 +0000';

  it.each([
    ['a HELO with a comment of its own', `from x(TLSv1.3:${AES}:256) (unknown [192.0.2.1]) ${POSTFIX}`],
    [
      'a HELO with a whole clause',
      `from x by mx.example.org with ESMTPS id 1 (using TLSv1.3 with cipher ${AES} (256/256 bits)) (unknown [192.0.2.1]) ${POSTFIX}`,
    ],
    ['a HELO called like a keyword', `from with (unknown [192.0.2.1]) ${POSTFIX}`],
    ['a HELO called tls', `from tls (tls.example.net [192.0.2.1]) ${POSTFIX}`],
    ['a host called TLSv1.3', `from TLSv1.3 (TLSv1.3 [192.0.2.1]) ${POSTFIX}`],
    ['a login', `from x (unknown [192.0.2.1]) (Authenticated sender: TLSv1.3 ${AES}) ${POSTFIX}`],
    [
      'an envelope sender',
      `from x (unknown [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id 3FB4F60193 (envelope-from <tls@encrypted.example.net>); Mon, 5 Nov 2012 22:12:29 +0000`,
    ],
    [
      'a recipient',
      `from x (unknown [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id 3FB4F60193 for <"(TLSv1.3)"@example.org>; Mon, 5 Nov 2012 22:12:29 +0000`,
    ],
  ])('is not believed for %s', (_, field) => {
    expect(parseReceived(field)).toMatchObject({ tls: 'no', byHost: 'mx.example.org', tlsVersion: null, cipher: null });
  });

  it('does not choose its own address', () => {
    expect(parseReceived(`from [192.0.2.99] (helo=[192.0.2.98] [198.51.100.1]) ${POSTFIX}`).fromIp).toBe('198.51.100.1');
    expect(
      parseReceived(`from unknown (HELO [192.0.2.98]) (198.51.100.1) by mx.example.org with SMTP; 8 Nov 2001 12:53:45 -0000`)
        .fromIp,
    ).toBe('198.51.100.1');
  });
});

#!/usr/bin/perl
# An executor in another language: newline-delimited JSON over the agent's unix socket, nothing else.
# It turns the text of each task around. Agents start it; see perl_framework.py. Needs Debian's package "perl".
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);

my $json = JSON::PP->new->utf8->canonical;
my (%seen, %unacknowledged);    # task ids; task id -> number -> update
my $socket;

sub say_to_agent { $socket and $socket->syswrite($json->encode($_[0]) . "\n") }

sub update {
    my ($task_id, $number, $state, $data) = @_;
    my $update = { type => 'UPDATE', task_id => $task_id, state => $state, number => $number };
    $update->{data} = encode_base64($data, '') if defined $data;
    $unacknowledged{$task_id}{$number} = $update;    # kept until the agent has stored it
    say_to_agent($update);
}

sub launch {
    my ($task) = @_;
    my $task_id = $task->{task_id};
    return if $seen{$task_id}++;                      # after a lost connection it may be said again
    update($task_id, 1, 'RUNNING');
    update($task_id, 2, 'FINISHED', scalar reverse decode_base64($task->{data} // ''));
}

my %on = (
    SUBSCRIBED   => sub { },
    LAUNCH       => sub { launch($_[0]{task}) },
    LAUNCH_GROUP => sub { launch($_) for @{ $_[0]{tasks} } },
    ACKNOWLEDGED => sub {
        my ($task_id, $number) = ($_[0]{task_id}, $_[0]{number} // 0);
        delete $unacknowledged{$task_id}{$number};
        delete $unacknowledged{$task_id} unless %{ $unacknowledged{$task_id} // {} };
    },
    KILL         => sub { },                          # every task ends at once
    MESSAGE      => sub { say_to_agent({ type => 'MESSAGE', data => $_[0]{data} }) },    # an echo
    ERROR        => sub { warn "the agent refused something: $_[0]{message}\n" },
);

$SIG{PIPE} = 'IGNORE';
my $stopping;
while (!$stopping || %unacknowledged) {
    $socket = IO::Socket::UNIX->new(Peer => $ENV{MESOS_EXECUTOR_SOCKET});
    if (!$socket) { sleep 1; next }                   # the agent is being restarted
    my @waiting = map { my $of = $unacknowledged{$_}; map { $of->{$_} } sort { $a <=> $b } keys %$of }
        sort keys %unacknowledged;
    say_to_agent({
        type => 'SUBSCRIBE', token => $ENV{MESOS_EXECUTOR_TOKEN}, unacknowledged_updates => \@waiting,
    });
    while (my $line = <$socket>) {
        my $event = $json->decode($line);
        $stopping = 1 if $event->{type} eq 'SHUTDOWN';
        my $handler = $on{ $event->{type} };          # what is not known is ignored
        $handler->($event) if $handler;
        last if $stopping && !%unacknowledged;
    }
}

import torch

from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.images import ImageStore, TrainingImages, corners, mirror
from nas.downstream.training import Draw

CPU = torch.device("cpu")


def load(plan, **settings):
    data = load_detection_data(plan.data, masks=True)
    return TrainingImages(data.train, ImageStore(512), **{"flip": True, "masks": True, **settings})


def test_a_batch_holds_images_and_targets_without_crowds(plan):
    images = load(plan, flip=False)
    assert len(images) == 4
    images, targets = images.batch([Draw(0, 5), Draw(1, 6)], CPU)
    assert [tuple(image.shape) for image in images] == [(3, 64, 84), (3, 64, 88)]
    assert 0 <= images[0].min() < images[0].max() <= 1
    assert targets[0]["boxes"].tolist() == [[4, 11, 25, 32], [30, 11, 51, 32], [56, 11, 77, 32]]
    assert targets[0]["labels"].tolist() == [1, 2, 3]
    assert targets[1]["labels"].tolist() == [1, 2]
    for target in targets:
        for box, mask in zip(target["boxes"].int().tolist(), target["masks"], strict=True):
            assert mask[box[1] : box[3], box[0] : box[2]].all()
            assert mask.sum() == (box[3] - box[1]) * (box[2] - box[0])


def test_the_seed_of_a_draw_decides_whether_it_is_mirrored(plan):
    images, plain = load(plan), load(plan, flip=False)
    mirrored = 0
    for seed in range(20):
        ((image,), (target,)), ((same,), _) = (images.batch([Draw(0, seed)], CPU) for _ in range(2))
        ((original,), _) = plain.batch([Draw(0, seed)], CPU)
        assert torch.equal(image, same)
        if not torch.equal(image, original):
            mirrored += 1
            assert torch.equal(image, original.flip(-1))
            red = target["boxes"][0].int().tolist()
            assert image[0, red[1] : red[3], red[0] : red[2]].mean() > 0.7
            assert target["masks"][0, red[1] : red[3], red[0] : red[2]].all()
    assert 4 < mirrored < 16


def test_mirroring_twice_changes_nothing(plan):
    ((image,), (target,)) = load(plan, flip=False).batch([Draw(0, 0)], CPU)
    again, twice = mirror(*mirror(image, target))
    assert torch.equal(again, image)
    assert all(torch.equal(twice[name], target[name]) for name in target)


def test_images_without_objects_have_empty_targets(plan):
    data = load_detection_data(plan.data, masks=True)
    data.train.objects.clear()
    images = TrainingImages(data.train, ImageStore(0), flip=True, masks=True)
    _, (target,) = images.batch([Draw(0, 0)], CPU)
    assert {name: tuple(value.shape) for name, value in target.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "masks": (0, 64, 84),
    }


def test_images_are_decoded_once_where_there_is_room(plan, monkeypatch):
    from nas.downstream.detection import images as module

    data, decoded = load_detection_data(plan.data, masks=False), []
    decode = module.decode_image
    monkeypatch.setattr(
        module, "decode_image", lambda path, size, **of: decoded.append(path) or decode(path, size, **of)
    )
    for room, expected in ((512, 4), (0, 8)):
        decoded.clear()
        store = ImageStore(room)
        for _ in range(2):
            for image in data.train.images:
                store.image(image)
        assert len(decoded) == expected


def test_images_of_two_splits_may_have_the_same_ids(plan):
    data, store = load_detection_data(plan.data, masks=False), ImageStore(512)
    first, other = data.train.images[1], data.evaluation.images[1]
    assert first.id == other.id
    assert not torch.equal(store.image(first), store.image(other))


def test_corners_lie_within_the_image(plan):
    from dataclasses import replace

    data = load_detection_data(plan.data, masks=False)
    image = data.train.images[0]
    over = replace(data.train.objects[10][0], box=(-0.4, 50, 84.8, 14.6))
    assert corners(over, image) == (0, 50, 84, 64)
